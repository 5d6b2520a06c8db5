"""The language of a policy: names, times and sizes, terms and patterns, rules and services, and their precedence."""
