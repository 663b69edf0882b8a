"""The words of the sample data: names, titles and descriptions that read like a team's own.

A few names are mentioned often and most of them seldom, so that a search finds one row, a handful or a hundred.
"""

from itertools import accumulate, product
from random import Random

FIRST_NAMES = (
    "Alma", "Amir", "Anouk", "Bela", "Carlos", "Chiara", "Dario", "Dilan", "Elif", "Emil", "Esther", "Farid", "Femke",
    "Gloria", "Hana", "Henrik", "Ines", "Ivo", "Jana", "Jonas", "Kaito", "Karin", "Leila", "Linus", "Malik", "Marta",
    "Mina", "Nadia", "Nils", "Olga", "Oscar", "Paula", "Pavel", "Rosa", "Samir", "Selma", "Tariq", "Tove", "Uma", "Yusuf",
)  # fmt: skip
LAST_NAMES = (
    "Adler", "Alvarez", "Bakker", "Berg", "Costa", "Demir", "Dubois", "Ekman", "Ferrari", "Fischer", "Garcia", "Haddad",
    "Hansen", "Horvat", "Ibrahim", "Ivanova", "Jansen", "Kaya", "Keller", "Kovacs", "Lang", "Larsen", "Lopez", "Mertens",
    "Moreau", "Nakano", "Novak", "Okafor", "Peeters", "Petrov", "Ricci", "Santos", "Schmid", "Silva", "Tanaka", "Vogel",
    "Weber", "Winter", "Yilmaz", "Zeman",
)  # fmt: skip
TAGS = ("defect", "idea", "wording", "layout", "service", "browser", "security", "question", "client", "cleanup")
COLORS = ("#1d4ed8", "#0f766e", "#15803d", "#a16207", "#b91c1c", "#7e22ce", "#be185d", "#374151")
PROJECTS = ("Website", "Mobile App", "Data Platform", "Onboarding", "Relaunch", "Support Desk", "Audit", "Partner Portal")

_BEGINNINGS = (
    "Ar", "Be", "Bo", "Ca", "Co", "Da", "El", "Fe", "Ga", "Ha", "Is", "Ka",
    "Le", "Lo", "Ma", "Mi", "No", "Or", "Pe", "Ro", "Sa", "Ti", "Ul", "Ve",
)  # fmt: skip
_MIDDLES = ("la", "mi", "no", "ra", "se", "tu")
_ENDS = ("bek", "dor", "fal", "gen", "hur", "jat", "kin", "lok", "mar", "nex", "rup", "tis", "vik", "zon")
_VERBS = ("Repair", "Build", "Draft", "Test", "Shorten", "Publish", "Replace", "Prepare", "Compare", "Explain")
_THINGS = (
    "invoice", "calendar", "backup", "dashboard", "contract", "archive", "newsletter", "checkout", "survey", "glossary",
    "import", "export", "timetable", "inventory", "reminder", "password", "upload", "printout", "comment", "price list",
)  # fmt: skip
_STATES = ("missing", "too slow", "outdated", "shown twice", "cut off", "empty", "unreadable", "hard to find")
_TITLES = ("{verb} {thing} of {0} for {1}", "{verb} {0} {thing} before {1}", "{verb} {thing} from {0} to {1}")
_SENTENCES = (
    "The {thing} of {0} is {state} at {1}.",
    "First ask {0}, then tell {1} about it.",
    "Here is what {0} has sent to {1}.",
    "It works with {0} and fails with {1}.",
    "We need {0} ready before {1} starts.",
    "Done when {0} can open it from {1}.",
    "Keep the old {thing} until {0} and {1} agree.",
    "Leave {0} as it is and change only {1}.",
    "See the note of {0} about {1}.",
    "If it is {state} again, compare {0} with {1}.",
    "Nobody at {0} knows why {1} is {state}.",
    "Both {0} and {1} have another {thing}.",
)


class Prose:
    """Writes what people might have written.

    Args:
        rng: decides everything.
    """

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._names = ["".join(parts) for parts in product(_BEGINNINGS, _MIDDLES, _ENDS)]
        rng.shuffle(self._names)
        # Zipf's law with a flat head: the most frequent name is in one task of twenty, the rarest in one of a thousand.
        self._weights = list(accumulate(1 / (rank + 45) for rank in range(len(self._names))))

    def name(self) -> str:
        """The name of a place, a product or a customer."""
        return self._rng.choice(self._names)

    def task(self) -> tuple[str, str]:
        """The title and the description of a task."""
        rng = self._rng
        names = rng.choices(self._names, cum_weights=self._weights, k=10)
        title = rng.choice(_TITLES).format(names[0], names[1], verb=rng.choice(_VERBS), thing=rng.choice(_THINGS))
        sentences = rng.sample(_SENTENCES, 4)
        text = [
            sentence.format(*names[2 * n : 2 * n + 2], thing=rng.choice(_THINGS), state=rng.choice(_STATES))
            for n, sentence in enumerate(sentences, start=1)
        ]
        return title, " ".join(text)
