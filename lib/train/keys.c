/* The table of all recipe keys: it drives the reader, its error messages, vla_recipe_keys (the man page is checked
 * against it) and the fallback values. */
#include "train/recipe.h"

#define BIG 9007199254740992.0 // integers up to 2^53 are exact in a double

// clang-format off
#define TEXT(s, k, d, h) { s, k, VLA_ROW_TEXT, d, 0, 0, NULL, false, h }
#define PATH(s, k, h) { s, k, VLA_ROW_PATH, "", 0, 0, NULL, false, h }
#define LIST(s, k, d, h) { s, k, VLA_ROW_LIST, d, 0, 0, NULL, false, h }
#define BOOL(s, k, d, h) { s, k, VLA_ROW_BOOL, d, 0, 0, NULL, false, h }
#define INT(s, k, d, lo, hi, h) { s, k, VLA_ROW_INT, d, lo, hi, NULL, false, h }
#define NUM(s, k, d, lo, hi, h) { s, k, VLA_ROW_NUMBER, d, lo, hi, NULL, false, h }
#define CHOICE(s, k, d, c, h) { s, k, VLA_ROW_CHOICE, d, 0, 0, c, false, h }
// The same for keys that leave the weights as they are.
#define N_PATH(s, k, h) { s, k, VLA_ROW_PATH, "", 0, 0, NULL, true, h }
#define N_INT(s, k, d, lo, hi, h) { s, k, VLA_ROW_INT, d, lo, hi, NULL, true, h }
// clang-format on

const vla_recipe_row vla_recipe_rows[] = {
	INT("run", "seed", "1", 0, BIG, "seed of all random choices"),
	N_INT("run", "loaders", "1", 0, 64, "threads that prepare batches; 0: the training thread does it"),
	N_INT("run", "prefetch", "4", 1, 1024, "batches prepared ahead"),
	N_INT("run", "picture_cache", "2048", 0, BIG, "MiB of decoded pictures kept in memory"),
	N_INT("run", "log_interval", "50", 1, BIG, "steps between two lines of the log"),
	CHOICE("run", "save_dtype", "f32", "f32|f16|bf16|i8", "element type of the model that is written"),
	CHOICE("run", "compute", "f32", "f32|bf16|auto", "arithmetic of matrix products"),

	INT("tokenizer", "vocab_size", "8192", 257, 1000000, "size of the vocabulary to train"),
	LIST("tokenizer", "data", "", "data sets whose texts train it; default all"),
	PATH("tokenizer", "texts", "a further file of texts, one a line"),
	INT("tokenizer", "min_count", "2", 1, BIG, "rarer pairs are not merged"),
	BOOL("tokenizer", "lower", "yes", "lower-case the text first"),
	PATH("tokenizer", "from", "take the tokenizer of this model directory instead"),

	PATH("model", "from", "model directory to start from"),
	PATH("model", "config", "config.json of a fresh model"),
	PATH("model", "load", "model directory whose parameters are copied where name and shape agree"),
	LIST("model", "freeze", "", "parameters that are not trained (patterns)"),
	{ "model", "lr_scale.", VLA_ROW_NUMBER, "", 0, 1e6, NULL, false,
	  "factor on the learning rate of matching parameters" },
	TEXT("model", "init.", "", "FILE.safetensors:TENSOR, or whiten:DATA, as the initial value of a parameter"),
	TEXT("model", "set.", "", "a value of the configuration, as JSON"),

	PATH("data", "root", "folder that the paths of data are relative to"),
	PATH("data", "manifest", "table of pictures (.tsv or .jsonl)"),
	PATH("data", "images", "folder of the pictures that a manifest names; default the manifest's"),
	TEXT("data", "tar", "", "tar shards, with {000..009} for a range"),
	PATH("data", "folder", "folder with a folder of pictures for each class"),
	PATH("data", "features", "dense stream that stands for the pooled output of the image tower"),
	TEXT("data", "tensor", "", "FILE.safetensors:TENSOR whose rows stand for the pooled output"),
	TEXT("data", "row", "", "column with the number of the tensor's row; default the row's own number"),
	INT("data", "row_offset", "0", 0, BIG, "added to the row number"),
	LIST("data", "file", "file,image", "column of the picture's file; the first that exists"),
	LIST("data", "caption", "caption,text", "columns of captions"),
	LIST("data", "label", "class,label", "column of the class"),
	LIST("data", "names", "", "columns of class names to be put into templates; default the label's"),
	TEXT("data", "synonyms", "", "text between the names within a column"),
	TEXT("data", "template.", "", "templates for names of this column, {} is the name, | between templates"),
	{ "data", "templates.", VLA_ROW_PATH, "", 0, 0, NULL, false, "file of templates, one a line" },
	NUM("data", "name_share", "0.5", 0, 1, "how often an example with captions and a class shows the class"),
	LIST("data", "where", "", "COLUMN=VALUE, COLUMN!=VALUE: rows to take (all must hold)"),
	NUM("data", "word_dropout", "0", 0, 1, "chance that a token of the text is left out"),
	INT("data", "limit", "0", 0, BIG, "take the first N examples only; 0: all"),
	NUM("data", "weight", "0", 0, 1e9, "share in a batch; 0: its number of examples"),
	INT("data", "crops", "0", 0, 10000, "fixed crops a picture; 0: new ones each time"),
	NUM("data", "crop_min", "0.35", 0.001, 1, "smallest part of the picture that a crop takes"),
	NUM("data", "crop_max", "1", 0.001, 1, "largest part"),
	NUM("data", "crop_aspect", "1.333", 1, 10, "largest ratio of a crop's sides"),
	NUM("data", "flip", "0.5", 0, 1, "chance of a mirrored picture"),
	NUM("data", "jitter", "0", 0, 1, "largest change of brightness, contrast and saturation"),
	NUM("data", "hue", "0", 0, 0.5, "largest turn of the hue, in turns"),
	NUM("data", "grey", "0", 0, 1, "chance of a grey picture"),
	NUM("data", "blur", "0", 0, 1, "chance of a blurred picture"),
	NUM("data", "erase", "0", 0, 1, "chance of an erased rectangle"),

	TEXT("teacher", "model", "", "directory or name of a frozen model"),
	CHOICE("teacher", "output", "pooled", "pooled|tokens|logits|embed", "what is kept of it"),
	LIST("teacher", "data", "", "data sets it looks at; default all with pictures"),
	N_PATH("teacher", "cache", "folder of the kept outputs; default the run's"),
	CHOICE("teacher", "compute", "auto", "auto|f32|bf16|int8", "arithmetic"),
	N_INT("teacher", "batch", "32", 1, 4096, "pictures at a time"),

	CHOICE("objective", "kind", "",
	       "contrastive|distill_feature|distill_logits|distill_map|distill_names|anchor|classify",
	       "what is minimised"),
	NUM("objective", "weight", "1", 0, 1e9, "factor in the sum"),
	LIST("objective", "data", "", "data sets it applies to; default all that fit"),
	TEXT("objective", "teacher", "", "name of the teacher; default the only one"),
	CHOICE("objective", "loss", "softmax", "softmax|sigmoid", "contrastive: kind of loss"),
	CHOICE("objective", "positives", "share", "share|ignore", "contrastive: pairs of one picture, class or text"),
	TEXT("objective", "image_teacher", "", "teacher that image = teacher means; default the objective's"),
	CHOICE("objective", "image", "model", "model|teacher",
	       "take the picture's pooled output from the model or a teacher"),
	NUM("objective", "cosine", "1", 0, 1e9, "distill: factor of the cosine distance"),
	NUM("objective", "mse", "0", 0, 1e9, "distill: factor of the squared difference"),
	CHOICE("objective", "head", "auto", "auto|none|linear", "linear map from the model's width to the target's"),
	TEXT("objective", "names", "", "distill_names: data set with the names of the teacher's classes"),
	NUM("objective", "temperature", "1", 0.01, 1000, "distill_logits: both distributions are softened by it"),
	CHOICE("objective", "target", "projected", "projected|raw",
	       "anchor: the vector through the image projection, or itself"),
	NUM("objective", "smoothing", "0", 0, 0.999, "classify: label smoothing"),

	LIST("stage", "data", "", "data sets; default all"),
	LIST("stage", "objectives", "", "objectives; default all"),
	INT("stage", "steps", "0", 0, BIG, "updates"),
	NUM("stage", "epochs", "0", 0, 1e9, "passes over the data, where steps is not given"),
	INT("stage", "batch", "64", 1, 65536, "examples a step"),
	INT("stage", "image_size", "0", 0, 4096, "side of the pictures; 0: the model's"),
	CHOICE("stage", "optimiser", "adamw", "adamw|sgd", "update rule"),
	NUM("stage", "lr", "0.001", 0, 1e6, "highest learning rate"),
	NUM("stage", "lr_floor", "0.01", 0, 1, "last rate as a part of the highest"),
	CHOICE("stage", "schedule", "cosine", "cosine|linear|constant", "course of the rate"),
	INT("stage", "warmup", "0", 0, BIG, "steps of linear warm-up"),
	NUM("stage", "beta1", "0.9", 0, 0.99999, "AdamW: first moment"),
	NUM("stage", "beta2", "0.98", 0, 0.999999, "AdamW: second moment"),
	NUM("stage", "eps", "1e-8", 0, 1, "AdamW: added to the root"),
	NUM("stage", "momentum", "0.9", 0, 0.99999, "SGD"),
	BOOL("stage", "nesterov", "yes", "SGD"),
	NUM("stage", "weight_decay", "0.05", 0, 1e6, "on weights; not on norms, biases and scales"),
	NUM("stage", "clip", "1", 0, BIG, "largest norm of the gradient; 0: no limit"),
	NUM("stage", "ema", "0", 0, 0.9999999, "decay of the averaged weights, which are then the result; 0: none"),
	LIST("stage", "freeze", "", "further parameters that are not trained"),
	BOOL("stage", "freeze_norm", "no", "batch norm of the image tower keeps its statistics"),
	N_INT("stage", "checkpoint", "0", 0, BIG, "steps between checkpoints; 0: by time only"),
	N_INT("stage", "checkpoint_seconds", "300", 0, BIG, "seconds between checkpoints; 0: by steps only"),
	N_INT("stage", "export", "0", 0, BIG, "steps between copies of the model in DIR/export; 0: none"),

	PATH("eval", "root", "folder that the paths are relative to"),
	PATH("eval", "manifest", "table of held-out pictures"),
	PATH("eval", "images", "folder of the pictures that the manifest names; default the manifest's"),
	LIST("eval", "where", "", "rows to take"),
	LIST("eval", "file", "file,image", "column of the picture's file"),
	LIST("eval", "caption", "caption,text", "columns of captions"),
	LIST("eval", "label", "class,label", "column of the class"),
	LIST("eval", "names", "", "columns of class names; default the label's"),
	TEXT("eval", "template.", "", "templates for names of this column"),
	CHOICE("eval", "kind", "retrieval", "retrieval|zero_shot", "what is measured"),
	N_INT("eval", "interval", "500", 1, BIG, "steps between measurements"),
	INT("eval", "limit", "1000", 0, BIG, "pictures at most; 0: all"),
	{ NULL, NULL, VLA_ROW_TEXT, NULL, 0, 0, NULL, false, NULL }
};

bool vla_section_named(const char *section)
{
	return strcmp(section, "run") && strcmp(section, "tokenizer") && strcmp(section, "model");
}

bool vla_recipe_key(size_t i, const char **section, const char **name, const char **fallback, const char **help)
{
	size_t n = sizeof vla_recipe_rows / sizeof *vla_recipe_rows - 1;
	if (i >= n)
		return false;
	*section = vla_recipe_rows[i].section;
	*name = vla_recipe_rows[i].name;
	*fallback = vla_recipe_rows[i].fallback;
	*help = vla_recipe_rows[i].help;
	return true;
}
