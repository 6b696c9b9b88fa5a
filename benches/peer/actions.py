"""From a posted event to what it says: label, page and URL, in the words of the service.

Elements are read one at a time, up to the one that reacts, as the service does.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit, urlunsplit

HEAD = re.compile(r"([^.:;]*)((?:\.[^:;]*?)?):?(?=[\w-]+=\"|;|$)")
ATTRIBUTE = re.compile(r'([\w-]+)="((?:[^"\\]|\\.)*)"')
TEXTS = ("text", "attr__aria-label", "attr__title", "attr__alt")
NOUNS = {"button": "button", "summary": "button", "a": "link", "textarea": "field", "select": "dropdown", "form": "form"}
SECRETS = {"token", "access_token", "id_token", "refresh_token", "code", "key", "api_key", "secret", "password"}
PARAMETER = re.compile(r"([?#&;])([^=&;#?]+)=([^#&]+)")
IDENTIFIER = re.compile(
    r"\d+|(?=[^-]*\d)[0-9a-fA-F]{8,}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    r"|[0-9A-HJKMNP-TV-Z]{26}|\d{4}-\d{2}-\d{2}|[a-z]{2,}_(?=\w*\d)\w{8,}|[^@\s]+@[^@\s]+"
)
LOCALE = re.compile(r"[a-z]{2}(?:-[A-Z]{2})?")


def elements(chain: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The tag and the attributes of each element, the one that was hit first."""
    at = 0
    while at < len(chain):
        head = HEAD.match(chain, at)
        if head is None:
            return
        at = head.end()
        attributes = {}
        while attribute := ATTRIBUTE.match(chain, at):
            attributes[attribute[1]] = attribute[2].replace('\\"', '"')
            at = attribute.end()
        yield head[1], attributes
        if at < len(chain) and chain[at] != ";":
            return
        at += 1


def describe(event: dict) -> str:
    """What the element is called, and what it is."""
    hit = control = None
    for tag, attributes in elements(event.get("elements_chain") or ""):
        hit = hit or (tag, attributes)
        if tag in NOUNS:
            control = (tag, attributes)
            break
    both = [element for element in (hit, control) if element is not None]
    said = (attributes[key] for key in TEXTS for _, attributes in both if key in attributes)
    text = next(said, None) or event.get("button_or_link_text") or "element"
    text = " ".join(text.split())
    noun = NOUNS[control[0]] if control else ""
    return text if not noun or text.lower().endswith(noun) else f"{text} {noun}"


def redacted(url: str) -> str:
    """The URL without the values of parameters that carry secrets."""
    return PARAMETER.sub(lambda found: found[0] if found[2].lower() not in SECRETS else f"{found[1]}{found[2]}=REDACTED", url)


def canonical(url: str) -> str:
    """Where the user was, without which of many things they looked at."""
    parts = urlsplit(url)
    segments = (":id" if IDENTIFIER.fullmatch(unquote(segment)) else segment for segment in parts.path.split("/"))
    return urlunsplit((parts.scheme, (parts.hostname or "").lower(), "/".join(segments), "", ""))


def page(url: str) -> str:
    """The first segment of a path that is a word."""
    for segment in urlsplit(url).path.split("/"):
        if segment and segment != ":id" and segment != "app" and not LOCALE.fullmatch(segment):
            return " ".join(re.split(r"[-_\s]+", unquote(segment))).lower()
    return "home"
