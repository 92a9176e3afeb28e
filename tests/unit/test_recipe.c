/* The recipe reader: values and their defaults, overrides, and the message for every kind of mistake. */
#include "tap.h"

#include "train/recipe.h"

static vla_recipe *parse(const char *text, const char *const *set, size_t n, vla_err *err)
{
	vla_recipe *r = NULL;
	*err = (vla_err)VLA_ERR_INIT;
	vla_status s = vla_recipe_parse("dir/a.recipe", text, set, n, &r, err);
	return s == VLA_OK ? r : NULL;
}

static void refused(const char *text, const char *set, const char *want, const char *what)
{
	vla_err err;
	vla_recipe *r = parse(text, &set, set != NULL, &err);
	ok(!r && err.code == VLA_EFORMAT && strstr(err.msg, want), "%s", what);
	if (r || !strstr(err.msg, want))
		note("'%s', not '%s'", err.msg, want);
	vla_recipe_free(r);
}

static void test_values(void)
{
	static const char text[] =
		"# a comment\n\n[run]\nseed = 7 # behind a value\n"
		"[stage]\nlr = 0.5\nbatch = 8\n"
		"[stage one]\r\nlr=1e-3\r\n"
		"[ stage  two ]\n"
		"[data d]\ntemplate.class = a #1 photo of a {} | {}\nwhere = split=train , x!=y\nweight=2\n"
		"[objective o]\nkind = contrastive\nloss = sigmoid";
	vla_err err;
	vla_recipe *r = parse(text, NULL, 0, &err);
	if (!ok(r != NULL, "a recipe is read")) {
		note("%s", err.msg);
		return;
	}
	const vla_section *one = vla_recipe_section(r, "stage", 0), *two = vla_recipe_section(r, "stage", 1);
	ok(one && two && !strcmp(one->name, "one") && !strcmp(two->name, "two") && !vla_recipe_section(r, "stage", 2),
	   "named sections in order, without the defaults");
	ok(vla_recipe_int(r, "run", NULL, "seed") == 7, "comment behind a value");
	ok(vla_recipe_number(r, "stage", one, "lr") == 1e-3, "value of the section");
	ok(vla_recipe_number(r, "stage", two, "lr") == 0.5, "value of the unnamed section");
	ok(vla_recipe_number(r, "stage", two, "clip") == 1, "value of the table");
	ok(!vla_recipe_given(r, "stage", two, "clip") && vla_recipe_given(r, "stage", two, "lr"), "what was given");
	ok(vla_recipe_bool(r, "stage", two, "nesterov"), "yes is true");
	ok(vla_recipe_line(r, "stage", one, "lr") == 9, "line of a key");
	const vla_section *o = vla_recipe_find(r, "objective", "o"), *d = vla_recipe_find(r, "data", "d");
	ok(vla_recipe_choice(r, "objective", o, "loss") == 1 && vla_recipe_choice(r, "objective", o, "positives") == 0,
	   "choices");
	const char *rest = "", *value = "";
	ok(vla_recipe_prefixed(r, "data", d, "template.", 0, &rest, &value) && !strcmp(rest, "class"), "open keys");
	ok(!vla_recipe_prefixed(r, "data", d, "template.", 1, &rest, &value), "the last open key");
	char **list = NULL;
	size_t n = 0;
	ok(vla_split_list(vla_recipe_text(r, "data", d, "where"), ',', &list, &n, NULL) == VLA_OK && n == 2 &&
		   !strcmp(list[0], "split=train") && !strcmp(list[1], "x!=y"),
	   "lists");
	free(list);
	char *path = vla_recipe_path(r, NULL, "x"), *rooted = vla_recipe_path(r, "r", "x"),
	     *full = vla_recipe_path(r, "r", "/x");
	ok(path && rooted && full && !strcmp(path, "dir/x") && !strcmp(rooted, "r/x") && !strcmp(full, "/x"), "paths");
	free(path);
	free(rooted);
	free(full);
	vla_recipe_free(r);
}

static void test_hash_in_text(void)
{
	vla_err err;
	vla_recipe *r = parse("[data d]\ntemplate.x = no#comment {}\n", NULL, 0, &err);
	ok(r && !strcmp(vla_recipe_text(r, "data", vla_recipe_find(r, "data", "d"), "template.x"), "no#comment {}"),
	   "'#' within a word is no comment");
	vla_recipe_free(r);
}

static void test_overrides(void)
{
	static const char text[] = "[stage a]\nlr = 1\n[stage b]\n[model]\nset.image.size = 3\n";
	static const char *const set[] = { "stage.lr=2", "stage.a.batch = 5", "seed=9", "model.set.image.size=4",
					   "data.root=/r" };
	vla_err err;
	vla_recipe *r = parse(text, set, 5, &err);
	if (!ok(r != NULL, "overrides are read")) {
		note("%s", err.msg);
		return;
	}
	const vla_section *a = vla_recipe_find(r, "stage", "a"), *b = vla_recipe_find(r, "stage", "b");
	ok(vla_recipe_number(r, "stage", a, "lr") == 2 && vla_recipe_number(r, "stage", b, "lr") == 2,
	   "of all sections of a kind");
	ok(vla_recipe_int(r, "stage", a, "batch") == 5 && vla_recipe_int(r, "stage", b, "batch") == 64,
	   "of one section");
	ok(vla_recipe_int(r, "run", NULL, "seed") == 9, "without a section: [run]");
	ok(!strcmp(vla_recipe_text(r, "model", NULL, "set.image.size"), "4"), "keys with dots");
	ok(!strcmp(vla_recipe_text(r, "data", NULL, "root"), "/r"), "defaults of sections that are not there");
	vla_recipe *plain = parse(text, NULL, 0, &err),
		   *neutral = parse(text, (const char *[]){ "log_interval=3" }, 1, &err);
	ok(plain && neutral && vla_recipe_hash(plain) != vla_recipe_hash(r), "the hash follows the settings");
	vla_recipe_free(plain);
	vla_recipe_free(neutral);
	vla_recipe_free(r);
}

static void test_mistakes(void)
{
	refused("[stage a]\nlrr = 1\n", NULL, "dir/a.recipe:2: unknown key 'lrr' in [stage]; did you mean 'lr'?",
		"unknown key");
	refused("[stge a]\n", NULL, "dir/a.recipe:1: unknown section 'stge'; did you mean 'stage'?", "unknown section");
	refused("[run]\nqqqqqqqq = 1", NULL, "unknown key 'qqqqqqqq' in [run]", "unknown key, nothing near");
	refused("[stage a]\nlr = fast\n", NULL, ":2: lr is a number, not 'fast'", "no number");
	refused("[stage a]\nlr = nan\n", NULL, "lr is a number", "not finite");
	refused("[stage a]\nbatch = 1.5\n", NULL, "batch is a whole number", "no whole number");
	refused("[stage a]\nbatch = 0\n", NULL, "must lie between 1 and 65536", "out of range");
	refused("[stage a]\nnesterov = maybe\n", NULL, "nesterov is yes or no", "no truth value");
	refused("[stage a]\noptimiser = adam\n", NULL, "optimiser is one of adamw|sgd", "no choice");
	refused("[stage a]\noptimiser = adamw|sgd\n", NULL, "optimiser is one of", "several choices at once");
	refused("[stage a]\nlr = 1\nlr = 2\n", NULL, ":3: 'lr' is already set at line 2", "a key twice");
	refused("[stage a]\n[stage a]\n", NULL, ":2: section [stage a] is already at line 1", "a section twice");
	refused("[run a]\n", NULL, "section [run] has no name", "a name too many");
	refused("[stage a b]\n", NULL, "'a b' is not a name", "a bad name");
	refused("[stage a\n", NULL, "']' is missing", "an open section");
	refused("lr = 1\n", NULL, "stands before the first section", "a key before the sections");
	refused("[run]\nwhat\n", NULL, "neither [section] nor key = value: 'what'", "neither");
	refused("[model]\nset. = 1\n", NULL, "unknown key 'set.'", "an open key without its ending");
	refused("[stage a]\n", "stage.a.lrr=1", "command line: unknown key 'lrr'", "an override's key");
	refused("[stage a]\n", "stag.lr=1", "command line: unknown section 'stag'", "an override's section");
	refused("[stage a]\n", "lr", "'lr' is not of the form", "an override without a value");
}

static void test_files(void)
{
	vla_err err = VLA_ERR_INIT;
	vla_recipe *r = NULL;
	ok(vla_recipe_open("no/such.recipe", NULL, 0, &r, &err) == VLA_EIO && strstr(err.msg, "no/such.recipe"),
	   "a missing file");
}

static void test_table(void)
{
	const char *section, *name, *fallback, *help;
	size_t n = 0, bad = 0;
	for (; vla_recipe_key(n, &section, &name, &fallback, &help); n++) {
		char text[300];
		size_t len = strlen(name);
		bool open = name[len - 1] == '.';
		vla_err err;
		if (!*fallback && !open)
			continue;
		snprintf(text, sizeof text, "[%s]\n%s%s = %s\n", section, name, open ? "x" : "",
			 *fallback ? fallback : "1");
		vla_recipe *r = parse(text, NULL, 0, &err);
		if (!r) {
			bad++;
			note("%s", err.msg);
		}
		vla_recipe_free(r);
	}
	ok(n > 80 && !bad, "every fallback of the table is a value that its key takes");
}

int main(void)
{
	test_values();
	test_hash_in_text();
	test_overrides();
	test_mistakes();
	test_files();
	test_table();
	return done();
}
