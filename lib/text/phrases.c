/* Phrases of six shapes over lists of common things, qualities, places, people and doings. The lists are meant to
 * spread over what pictures show, not to describe any collection. */
#include "text/phrases.h"

static const char *const thing[] = {
	"dog",           "cat",        "horse",      "cow",       "sheep",       "bird",         "duck",   "fish",
	"frog",          "snake",      "lion",       "tiger",     "elephant",    "bear",         "monkey", "rabbit",
	"mouse",         "spider",     "bee",        "butterfly", "apple",       "banana",       "orange", "grape",
	"lemon",         "bread",      "cheese",     "cake",      "pizza",       "soup",         "rice",   "egg",
	"carrot",        "potato",     "tomato",     "onion",     "salad",       "coffee",       "tea",    "bottle",
	"car",           "bus",        "truck",      "train",     "bicycle",     "motorcycle",   "boat",   "ship",
	"airplane",      "helicopter", "tractor",    "wheel",     "engine",      "road",         "bridge", "tunnel",
	"traffic light", "ticket",     "map",        "house",     "church",      "tower",        "castle", "barn",
	"shop",          "window",     "door",       "roof",      "stairs",      "wall",         "fence",  "garden",
	"kitchen",       "bathroom",   "office",     "classroom", "hospital",    "factory",      "tree",   "flower",
	"leaf",          "grass",      "mushroom",   "forest",    "mountain",    "river",        "lake",   "sea",
	"beach",         "island",     "desert",     "cloud",     "rainbow",     "storm",        "snow",   "ice",
	"fire",          "moon",       "chair",      "table",     "bed",         "sofa",         "lamp",   "clock",
	"mirror",        "carpet",     "curtain",    "shelf",     "cup",         "plate",        "bowl",   "spoon",
	"fork",          "knife",      "pan",        "kettle",    "oven",        "refrigerator", "shirt",  "dress",
	"coat",          "hat",        "shoe",       "sock",      "glove",       "scarf",        "belt",   "tie",
	"ring",          "necklace",   "watch",      "glasses",   "umbrella",    "bag",          "wallet", "backpack",
	"suitcase",      "computer",   "keyboard",   "telephone", "television",  "camera",       "radio",  "printer",
	"microphone",    "guitar",     "piano",      "violin",    "drum",        "trumpet",      "book",   "newspaper",
	"letter",        "pen",        "pencil",     "ball",      "kite",        "balloon",      "doll",   "puzzle",
	"chess board",   "skateboard", "surfboard",  "ski",       "tent",        "rope",         "ladder", "hammer",
	"saw",           "drill",      "nail",       "screw",     "bucket",      "baby",         "child",  "boy",
	"girl",          "man",        "woman",      "soldier",   "doctor",      "cook",         "farmer", "dancer",
	"singer",        "painter",    "teacher",    "king",      "crowd",       "face",         "hand",   "eye",
	"chart",         "diagram",    "logo",       "stamp",     "coin",        "flag",         "poster", "statue",
	"painting",      "cartoon",    "screenshot", "receipt",   "handwriting", "number",       "sign",   "microscope",
	"telescope",     "rocket",     "satellite",  "planet",    "star",        "bone",         "brain",  "x-ray",
	"pill",          "syringe",    "bandage",    "tooth",     "skeleton",    "dinosaur",     "shell",  "feather",
	"candle",
};

static const char *const quality[] = {
	"red",   "blue",   "green",  "yellow", "black",   "white",  "brown",    "pink",    "grey",     "purple",
	"old",   "new",    "small",  "large",  "tiny",    "huge",   "wet",      "dry",     "broken",   "clean",
	"dirty", "shiny",  "wooden", "metal",  "plastic", "glass",  "striped",  "spotted", "empty",    "full",
	"round", "square", "tall",   "short",  "dark",    "bright", "sleeping", "running", "standing",
};

static const char *const place[] = {
	"on a table",
	"in the street",
	"in a field",
	"on the beach",
	"in the snow",
	"in a kitchen",
	"in front of a house",
	"at night",
	"in the water",
	"under a tree",
	"on a mountain",
	"in the grass",
	"in a room",
	"on a white background",
	"in the rain",
	"by a river",
	"in a city",
	"at the market",
	"on stage",
	"in a forest",
};

static const char *const people[] = {
	"a man",
	"a woman",
	"a boy",
	"a girl",
	"two people",
	"two men",
	"three children",
	"a group of people",
	"an old man",
	"a young woman",
	"a child in a red shirt",
	"a man with a hat",
};

static const char *const doing[] = {
	"running",
	"jumping",
	"sitting",
	"standing",
	"walking",
	"riding a horse",
	"playing with a ball",
	"holding a cup",
	"looking at the camera",
	"climbing a wall",
	"swimming",
	"reading a book",
	"eating",
	"cooking",
	"driving a car",
	"playing the guitar",
	"taking a photograph",
	"throwing a stick",
	"sleeping",
	"talking on the telephone",
	"wearing a hat",
	"pulling a rope",
	"pushing a cart",
	"riding a bicycle",
	"digging a hole",
};

static const char *const animal[] = {
	"a dog", "two dogs", "a brown dog", "a black and white dog", "a cat", "a bird",
};

static const char *const animal_doing[] = {
	"running", "jumping over a log", "sleeping",   "catching a ball", "swimming",
	"playing", "biting a stick",     "looking up",
};

#define PICK(r, list) ((list)[vla_rng_below((r), sizeof(list) / sizeof *(list))])

static const char *article(const char *noun)
{
	return strchr("aeiou", noun[0]) ? "an" : "a";
}

size_t vla_phrase(uint64_t i, char *out, size_t cap)
{
	vla_rng r;
	vla_rng_seed(&r, 1, i);
	// People doing things take two of the seven shapes, since captions are most often about them.
	uint64_t shape = vla_rng_below(&r, 7);
	const char *a = PICK(&r, thing), *b = PICK(&r, thing), *q = PICK(&r, quality), *p = PICK(&r, place);
	const char *who = shape == 4 ? PICK(&r, animal) : PICK(&r, people);
	const char *does = shape == 4 ? PICK(&r, animal_doing) : PICK(&r, doing);
	int n;
	if (shape == 0)
		n = snprintf(out, cap, "%s %s", article(a), a);
	else if (shape == 1)
		n = snprintf(out, cap, "%s %s %s", article(q), q, a);
	else if (shape == 2)
		n = snprintf(out, cap, "%s %s %s", article(a), a, p);
	else if (shape == 3)
		n = snprintf(out, cap, "%s %s and %s %s", article(a), a, article(b), b);
	else
		n = snprintf(out, cap, "%s %s %s", who, does, p);
	return n > 0 ? (size_t)n : 0;
}
