"""``distwall observe``: the live events of the running firewall."""

from distwall.cli.event_options import FollowOption, LastOption, selecting, show
from distwall.cli.output import ConfigOption, Output, OutputOption
from distwall.cli.remote import TokenOption, UrlOption, ask
from distwall.http_api.client import Client


@selecting
def observe(
    *,
    wanted: dict[str, list[str]],
    unwanted: list[str],
    last: LastOption = 20,
    follow: FollowOption = False,
    config: ConfigOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Show events as they happen. Several values of one option mean "or"; different options mean "and".

    For example: distwall observe -f --verdict deny --verdict drop --peer 'foo@*' --not command=link
    """
    query: dict[str, list[str] | int | bool] = {**wanted, "not": unwanted, "last": last, "follow": follow}

    def question(client: Client) -> None:
        for each in client.events(query):
            show(each, output)

    ask(question, config, url, token)
