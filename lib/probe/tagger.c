/* A word list for what endings cannot tell, endings for the rest, nouns for what is left: captions are mostly nouns. */
#include "probe/tagger.h"

static const char *const other[] = {
	"a",      "an",    "the",       "this",    "that",    "these",    "those",        "some",    "any",
	"each",   "every", "all",       "both",    "no",      "not",      "and",          "or",      "but",
	"nor",    "while", "as",        "than",    "so",      "if",       "of",           "in",      "on",
	"at",     "by",    "for",       "from",    "to",      "with",     "into",         "onto",    "over",
	"under",  "above", "below",     "behind",  "beside",  "between",  "near",         "next",    "through",
	"across", "along", "around",    "against", "outside", "inside",   "beneath",      "during",  "without",
	"within", "upon",  "toward",    "off",     "up",      "down",     "out",          "away",    "he",
	"she",    "it",    "they",      "them",    "him",     "her",      "his",          "its",     "their",
	"who",    "which", "what",      "where",   "when",    "there",    "here",         "one",     "two",
	"three",  "four",  "five",      "six",     "seven",   "eight",    "nine",         "ten",     "very",
	"too",    "also",  "just",      "then",    "now",     "together", "back",         "front",   "left",
	"right",  "top",   "something", "someone", "another", "other",    "respectively", "towards", "about",
	"i",      "you",   "we",
};

static const char *const verbs[] = {
	"is",      "are",    "was",    "were",    "be",    "been",  "being",  "am",     "has",     "have",  "had",
	"do",      "does",   "did",    "can",     "could", "will",  "would",  "sit",    "sits",    "sat",   "stand",
	"stands",  "stood",  "run",    "runs",    "ran",   "jump",  "jumps",  "play",   "plays",   "hold",  "holds",
	"held",    "ride",   "rides",  "rode",    "walk",  "walks", "look",   "looks",  "wear",    "wears", "worn",
	"lie",     "lies",   "lay",    "lays",    "laid",  "eat",   "eats",   "ate",    "fly",     "flies", "catch",
	"catches", "throw",  "throws", "swim",    "swims", "climb", "climbs", "watch",  "watches", "make",  "makes",
	"made",    "take",   "takes",  "taken",   "took",  "get",   "gets",   "go",     "goes",    "come",  "comes",
	"lean",    "leans",  "carry",  "carries", "pose",  "poses", "smile",  "smiles", "show",    "shows", "shown",
	"hang",    "hangs",  "leap",   "leaps",   "hit",   "hits",  "kick",   "kicks",  "push",    "pull",  "pulls",
	"drive",   "drives", "filled", "seen",
};

static const char *const adjectives[] = {
	"red",   "orange", "yellow",   "green",       "blue",   "purple", "violet",  "pink",      "brown",  "black",
	"white", "grey",   "gray",     "golden",      "silver", "dark",   "light",   "bright",    "big",    "small",
	"large", "little", "tiny",     "huge",        "tall",   "short",  "long",    "wide",      "narrow", "thick",
	"thin",  "young",  "old",      "new",         "wooden", "metal",  "plastic", "striped",   "dotted", "spotted",
	"round", "square", "open",     "closed",      "empty",  "full",   "wet",     "dry",       "dirty",  "clean",
	"hot",   "cold",   "warm",     "several",     "many",   "few",    "same",    "different", "large",  "busy",
	"high",  "low",    "blonde",   "blond",       "bare",   "bald",   "fat",     "furry",     "fluffy", "muddy",
	"sandy", "snowy",  "grassy",   "rocky",       "sunny",  "happy",  "sad",     "pretty",    "cyan",   "turquoise",
	"wavy",  "fuzzy",  "metallic", "transparent", "asian",  "male",   "female",  "matte",     "shiny",  "plain",
};

// Words in -ing and -ed that are no verbs.
static const char *const nouns[] = {
	"building", "ceiling",   "clothing",  "wing",    "ring",       "king",     "string",        "spring",
	"swing",    "thing",     "morning",   "evening", "railing",    "painting", "crossing",      "wedding",
	"bed",      "shed",      "sled",      "head",    "dress",      "grass",    "glass",         "bus",
	"table",    "vegetable", "cable",     "statue",  "motorcycle", "bicycle",  "skateboarding", "surfing",
	"ally",     "family",    "butterfly", "belly",   "jelly",      "trolley",  "alley",         "valley",
	"fly",      "bread",     "thread",    "seed",    "weed",       "reed",
};

static bool listed(const char *w, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], w) == 0)
			return true;
	return false;
}

#define LISTED(w, list) listed(w, list, sizeof list / sizeof list[0])

static bool ends(const char *w, size_t n, const char *ending)
{
	size_t k = strlen(ending);
	return n > k + 2 && memcmp(w + n - k, ending, k) == 0;
}

vla_pos vla_pos_parse(const char *tag, size_t n)
{
	if (n >= 2 && tag[0] == 'N' && (tag[1] == 'N' || tag[1] == 'O'))
		return VLA_POS_NOUN;
	if ((n >= 4 && memcmp(tag, "PROP", 4) == 0))
		return VLA_POS_NOUN;
	if ((n >= 2 && memcmp(tag, "VB", 2) == 0) || (n >= 4 && memcmp(tag, "VERB", 4) == 0))
		return VLA_POS_VERB;
	if ((n >= 2 && memcmp(tag, "JJ", 2) == 0) || (n >= 3 && memcmp(tag, "ADJ", 3) == 0))
		return VLA_POS_ADJECTIVE;
	return VLA_POS_OTHER;
}

vla_pos vla_pos_guess(const char *word)
{
	char w[48];
	size_t n = 0;
	for (const char *p = word; *p && n + 1 < sizeof w; p++) {
		char c = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
		if ((c >= 'a' && c <= 'z') || (c & 0x80) || c == '-')
			w[n++] = c;
	}
	w[n] = 0;
	if (n == 0 || LISTED(w, other))
		return VLA_POS_OTHER;
	if (LISTED(w, verbs))
		return VLA_POS_VERB;
	if (LISTED(w, adjectives))
		return VLA_POS_ADJECTIVE;
	if (LISTED(w, nouns))
		return VLA_POS_NOUN;
	if (ends(w, n, "ing") || ends(w, n, "ed"))
		return VLA_POS_VERB;
	if (ends(w, n, "ly"))
		return VLA_POS_OTHER;
	if (ends(w, n, "ous") || ends(w, n, "ful") || ends(w, n, "ish") || ends(w, n, "ive") || ends(w, n, "less") ||
	    ends(w, n, "able") || ends(w, n, "-colored"))
		return VLA_POS_ADJECTIVE;
	return VLA_POS_NOUN;
}
