//! Answers to the clerk, as a guarded node gives them: the process that is asked about is a user's.

use distwall_wire::{Channel, Direction, Output, Segment};

/// A frame without an atom cache begins so.
const HEADER: [u8; 3] = [131, 68, 0];
const SPAWN_REQUEST: [u8; 4] = [104, 6, 97, 29];

/// Answers the questions to the guarded node about a command from the peer, just received.
pub fn answer(channel: &mut Channel, out: &mut Output, guard: &str) {
    let made = out.forward.iter().filter_map(|segment| match segment {
        Segment::Made(range) => Some(&out.made[range.clone()]),
        _ => None,
    });
    let mut asked = made.collect::<Vec<_>>().concat();
    while !asked.is_empty() {
        let mut answers = Vec::new();
        let mut rest = &asked[..];
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let (frame, after) = after.split_at(u32::from_be_bytes(*length) as usize);
            if let Some(body) = frame.strip_prefix(&HEADER).and_then(|body| body.strip_prefix(&SPAWN_REQUEST)) {
                answers.extend(returned(body, guard));
            }
            rest = after;
        }
        channel.receive(Direction::Outbound, &answers, 0.0, out);
        assert_eq!(out.closed, None);
        asked.clone_from(&out.back);
    }
}

/// The end of the process that a spawn request has started. `body` begins with its reference.
fn returned(body: &[u8], guard: &str) -> Vec<u8> {
    // Tag, number of words, a node's short atom, creation and three words; then a pid: tag, atom, three words.
    let reference = &body[..3 + 2 + usize::from(body[4]) + 16];
    let clerk = &body[reference.len()..];
    let clerk = &clerk[..1 + 2 + usize::from(clerk[2]) + 12];
    let asks = |function: &[u8]| body.windows(function.len()).any(|part| part == function);
    let mfa = |module, function| tuple(&[atom(module), atom(function), vec![97, 5]]);
    let told = if asks(b"process_info") {
        let items = [
            tuple(&[atom("registered_name"), vec![106]]),
            tuple(&[atom("group_leader"), pid(guard, 60)]),
            tuple(&[atom("initial_call"), mfa("proc_lib", "init_p")]),
        ];
        list(&items)
    } else if asks(b"get_application") {
        atom("undefined")
    } else {
        mfa("shop", "init")
    };
    let control = tuple(&[vec![97, 28], pid(guard, 77), clerk.to_vec(), reference.to_vec()]);
    let reason = tuple(&[reference.to_vec(), atom("return"), list(&[told])]);
    let frame = [&HEADER[..], &control, &reason].concat();
    [&(frame.len() as u32).to_be_bytes()[..], &frame].concat()
}

fn atom(text: &str) -> Vec<u8> {
    [&[119, text.len() as u8], text.as_bytes()].concat()
}

fn pid(node: &str, id: u8) -> Vec<u8> {
    [&[88], &*atom(node), &[0, 0, 0, id, 0, 0, 0, 0, 0, 0, 0, 7]].concat()
}

fn tuple(elements: &[Vec<u8>]) -> Vec<u8> {
    [&[104, elements.len() as u8], &*elements.concat()].concat()
}

fn list(elements: &[Vec<u8>]) -> Vec<u8> {
    [&[108, 0, 0, 0, elements.len() as u8], &*elements.concat(), &[106]].concat()
}
