/* The recipe reader, vla-recipe(5): lines of `[section NAME]` and `key = value`, checked against vla_recipe_rows while
 * they are read, so that a typing error is found before anything is computed. */
#include "train/recipe.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <unistd.h>

#define MAX_BYTES (1u << 20)
#define MAX_SECTIONS 1000

struct reader {
	vla_recipe *r;
	vla_section *sec; // the one being filled
	unsigned line;    // 0 on the command line
	vla_err *err;
};

static vla_status bad(const struct reader *rd, const char *fmt, ...) VLA_PRINTF(2, 3);
static vla_status bad(const struct reader *rd, const char *fmt, ...)
{
	char msg[200];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof msg, fmt, ap);
	va_end(ap);
	if (!rd->line)
		return vla_fail(rd->err, VLA_EFORMAT, "command line: %s", msg);
	return vla_fail(rd->err, VLA_EFORMAT, "%s:%u: %s", rd->r->path, rd->line, msg);
}

static bool is_prefix_row(const vla_recipe_row *k)
{
	size_t n = strlen(k->name);
	return n && k->name[n - 1] == '.';
}

static const vla_recipe_row *find_key(const char *kind, const char *name)
{
	for (const vla_recipe_row *k = vla_recipe_rows; k->section; k++) {
		size_t n = strlen(k->name);
		if (strcmp(k->section, kind))
			continue;
		if (is_prefix_row(k) ? !strncmp(k->name, name, n) && name[n] : !strcmp(k->name, name))
			return k;
	}
	return NULL;
}

static bool known_kind(const char *kind)
{
	for (const vla_recipe_row *k = vla_recipe_rows; k->section; k++)
		if (!strcmp(k->section, kind))
			return true;
	return false;
}

// The nearest section (kind NULL) or key of a section to a misspelt name.
static const char *nearest(const char *kind, const char *name)
{
	const char *names[256];
	size_t n = 0;
	for (const vla_recipe_row *k = vla_recipe_rows; k->section && n < 256; k++) {
		if (kind && !strcmp(k->section, kind))
			names[n++] = k->name;
		else if (!kind && (!n || strcmp(names[n - 1], k->section)))
			names[n++] = k->section;
	}
	return vla_nearest(name, names, n);
}

static bool parse_bool(const char *v, bool *out)
{
	static const char *const word[] = { "no", "yes", "false", "true", "0", "1", "off", "on" };
	for (unsigned i = 0; i < 8; i++)
		if (!strcmp(v, word[i])) {
			*out = i & 1;
			return true;
		}
	return false;
}

static int choice_index(const char *choices, const char *v, size_t nv)
{
	int i = 0;
	for (const char *p = choices;; i++) {
		size_t n = strcspn(p, "|");
		if (n == nv && !memcmp(p, v, n))
			return i;
		if (!p[n])
			return -1;
		p += n + 1;
	}
}

static vla_status check_value(const struct reader *rd, const vla_recipe_row *k, const char *key, const char *v)
{
	bool b;
	char *end;
	switch (k->type) {
	case VLA_ROW_BOOL: return parse_bool(v, &b) ? VLA_OK : bad(rd, "%s is yes or no, not '%s'", key, v);
	case VLA_ROW_INT:
	case VLA_ROW_NUMBER: {
		errno = 0;
		double x = strtod(v, &end);
		if (end == v || *end || !isfinite(x) || isspace((unsigned char)*v))
			return bad(rd, "%s is a number, not '%s'", key, v);
		if (k->type == VLA_ROW_INT && x != floor(x))
			return bad(rd, "%s is a whole number, not '%s'", key, v);
		if (x < k->min || x > k->max)
			return bad(rd, "%s is %s; it must lie between %g and %g", key, v, k->min, k->max);
		return VLA_OK;
	}
	case VLA_ROW_CHOICE:
		if (choice_index(k->choices, v, strlen(v)) < 0)
			return bad(rd, "%s is one of %s, not '%s'", key, k->choices, v);
		return VLA_OK;
	default: return VLA_OK;
	}
}

static vla_setting *get_setting(const vla_section *s, const char *key)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->set[i].key, key))
			return &s->set[i];
	return NULL;
}

static vla_status put_setting(const struct reader *rd, vla_section *s, const char *key, const char *value)
{
	vla_setting *old = get_setting(s, key);
	char *v = vla_strdup(value);
	if (!v)
		return vla_nomem(rd->err);
	if (old) {
		free(old->value);
		old->value = v;
		old->line = rd->line;
		return VLA_OK;
	}
	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 8;
		vla_setting *p = vla_realloc(s->set, cap, sizeof *p);
		if (!p) {
			free(v);
			return vla_nomem(rd->err);
		}
		s->set = p;
		s->cap = cap;
	}
	char *k = vla_strdup(key);
	if (!k) {
		free(v);
		return vla_nomem(rd->err);
	}
	s->set[s->n++] = (vla_setting){ k, v, rd->line };
	return VLA_OK;
}

static vla_status add_section(const struct reader *rd, const char *kind, const char *name, vla_section **out)
{
	vla_recipe *r = rd->r;
	if (r->n >= MAX_SECTIONS)
		return bad(rd, "more than %d sections", MAX_SECTIONS);
	if (r->n == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : 16;
		vla_section *p = vla_realloc(r->sec, cap, sizeof *p);
		if (!p)
			return vla_nomem(rd->err);
		r->sec = p;
		r->cap = cap;
	}
	vla_section s = { vla_strdup(kind), vla_strdup(name), rd->line, NULL, 0, 0 };
	if (!s.kind || !s.name) {
		free(s.kind);
		free(s.name);
		return vla_nomem(rd->err);
	}
	r->sec[r->n] = s;
	*out = &r->sec[r->n++];
	return VLA_OK;
}

const vla_section *vla_recipe_find(const vla_recipe *r, const char *kind, const char *name)
{
	for (size_t i = 0; i < r->n; i++)
		if (!strcmp(r->sec[i].kind, kind) && !strcmp(r->sec[i].name, name))
			return &r->sec[i];
	return NULL;
}

static char *trim(char *s)
{
	while (isspace((unsigned char)*s))
		s++;
	size_t n = strlen(s);
	while (n && isspace((unsigned char)s[n - 1]))
		s[--n] = 0;
	return s;
}

static bool name_ok(const char *s)
{
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && *s != '_' && *s != '-')
			return false;
	return true;
}

static vla_status unknown_kind(const struct reader *rd, const char *kind)
{
	const char *near = nearest(NULL, kind);
	if (near)
		return bad(rd, "unknown section '%s'; did you mean '%s'?", kind, near);
	return bad(rd, "unknown section '%s'", kind);
}

static vla_status read_header(struct reader *rd, char *s)
{
	size_t n = strlen(s);
	if (s[n - 1] != ']')
		return bad(rd, "the section's ']' is missing");
	s[n - 1] = 0;
	char *kind = trim(s + 1), *name = kind + strcspn(kind, " \t");
	if (*name) {
		*name++ = 0;
		name = trim(name);
	}
	if (!known_kind(kind))
		return unknown_kind(rd, kind);
	if (*name && !vla_section_named(kind))
		return bad(rd, "section [%s] has no name", kind);
	if (!name_ok(name))
		return bad(rd, "'%s' is not a name: letters, digits, '_' and '-'", name);
	const vla_section *old = vla_recipe_find(rd->r, kind, name);
	if (old)
		return bad(rd, "section [%s%s%s] is already at line %u", kind, *name ? " " : "", name, old->line);
	return add_section(rd, kind, name, &rd->sec);
}

static vla_status read_key(const struct reader *rd, const char *kind, const char *key, const char *value,
			   const vla_recipe_row **out)
{
	const vla_recipe_row *k = find_key(kind, key);
	if (!k) {
		const char *near = nearest(kind, key);
		if (near)
			return bad(rd, "unknown key '%s' in [%s]; did you mean '%s'?", key, kind, near);
		return bad(rd, "unknown key '%s' in [%s]", key, kind);
	}
	*out = k;
	return check_value(rd, k, key, value);
}

static vla_status read_line(struct reader *rd, char *s)
{
	for (char *p = s; *p; p++)
		if (*p == '#' && (p == s || isspace((unsigned char)p[-1]))) {
			*p = 0;
			break;
		}
	s = trim(s);
	if (!*s)
		return VLA_OK;
	if (*s == '[')
		return read_header(rd, s);
	char *eq = strchr(s, '=');
	if (!eq)
		return bad(rd, "neither [section] nor key = value: '%.60s'", s);
	*eq = 0;
	char *key = trim(s), *value = trim(eq + 1);
	if (!rd->sec)
		return bad(rd, "'%s' stands before the first section", key);
	const vla_recipe_row *k;
	VLA_TRY(read_key(rd, rd->sec->kind, key, value, &k));
	const vla_setting *old = get_setting(rd->sec, key);
	if (old)
		return bad(rd, "'%s' is already set at line %u", key, old->line);
	return put_setting(rd, rd->sec, key, value);
}

// A relative path on the command line is relative to the current folder, not to the recipe's.
static char *absolute(const char *path)
{
	char cwd[4096];
	if (*path == '/' || !*path || !getcwd(cwd, sizeof cwd))
		return vla_strdup(path);
	return vla_format("%s/%s", cwd, path);
}

// Sets key in one named section, or in the unnamed one and in every named one that has it.
static vla_status override(struct reader *rd, const char *kind, const char *name, const char *key, const char *value)
{
	const vla_recipe_row *k;
	VLA_TRY(read_key(rd, kind, key, value, &k));
	char *v = k->type == VLA_ROW_PATH ? absolute(value) : vla_strdup(value);
	if (!v)
		return vla_nomem(rd->err);
	vla_recipe *r = rd->r;
	bool found = false;
	vla_status s = VLA_OK;
	for (size_t i = 0; i < r->n && s == VLA_OK; i++) {
		vla_section *sec = &r->sec[i];
		if (strcmp(sec->kind, kind) || (*name && strcmp(sec->name, name)))
			continue;
		bool here = *name || !*sec->name;
		if (here || get_setting(sec, key))
			s = put_setting(rd, sec, key, v);
		found = found || here;
	}
	if (s == VLA_OK && !found) {
		vla_section *sec;
		s = add_section(rd, kind, "", &sec);
		if (s == VLA_OK)
			s = put_setting(rd, sec, key, v);
	}
	free(v);
	return s;
}

// "key=value" is a key of [run]; "section.key=value"; "section.NAME.key=value".
static vla_status read_override(struct reader *rd, const char *text)
{
	char *s = vla_strdup(text);
	if (!s)
		return vla_nomem(rd->err);
	vla_status st;
	char *eq = strchr(s, '=');
	if (!eq) {
		st = bad(rd, "'%.100s' is not of the form section.key=value", text);
		goto out;
	}
	*eq = 0;
	char *value = trim(eq + 1), *key = trim(s), *dot = strchr(key, '.');
	if (!dot) {
		st = override(rd, "run", "", key, value);
		goto out;
	}
	*dot = 0;
	const char *kind = key, *name = "";
	key = dot + 1;
	if (!known_kind(kind)) {
		st = unknown_kind(rd, kind);
		goto out;
	}
	dot = strchr(key, '.');
	if (dot && vla_section_named(kind)) {
		*dot = 0;
		if (vla_recipe_find(rd->r, kind, key)) {
			name = key;
			key = dot + 1;
		} else {
			*dot = '.';
		}
	}
	st = override(rd, kind, name, key, value);
out:
	free(s);
	return st;
}

static vla_status read_all(struct reader *rd, const char *text)
{
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, "\n");
		char *line = vla_strndup(p, n);
		if (!line)
			return vla_nomem(rd->err);
		rd->line++;
		vla_status s = read_line(rd, line);
		free(line);
		VLA_TRY(s);
		p += n;
		if (*p)
			p++;
	}
	return VLA_OK;
}

vla_status vla_recipe_parse(const char *path, const char *text, const char *const *overrides, size_t n,
			    vla_recipe **out, vla_err *err)
{
	vla_recipe *r = vla_zalloc(1, sizeof *r);
	if (!r)
		return vla_nomem(err);
	const char *slash = strrchr(path, '/');
	r->path = vla_strdup(path);
	r->dir = slash ? vla_strndup(path, slash > path ? (size_t)(slash - path) : 1) : vla_strdup(".");
	struct reader rd = { r, NULL, 0, err };
	vla_status s = r->path && r->dir ? read_all(&rd, text) : vla_nomem(err);
	rd.line = 0;
	for (size_t i = 0; i < n && s == VLA_OK; i++)
		s = read_override(&rd, overrides[i]);
	if (s != VLA_OK) {
		vla_recipe_free(r);
		return s;
	}
	*out = r;
	return VLA_OK;
}

vla_status vla_recipe_open(const char *path, const char *const *overrides, size_t n, vla_recipe **out, vla_err *err)
{
	FILE *f = fopen(path, "rb");
	if (!f)
		return vla_fail(err, VLA_EIO, "cannot open '%s': %s", path, strerror(errno));
	vla_buf b = { NULL, 0, 0 };
	vla_status s = VLA_OK;
	while (s == VLA_OK && !feof(f) && !ferror(f) && b.n <= MAX_BYTES) {
		s = vla_buf_reserve(&b, 65536, err);
		if (s == VLA_OK)
			b.n += fread(b.data + b.n, 1, 65536, f);
	}
	if (s == VLA_OK && ferror(f))
		s = vla_fail(err, VLA_EIO, "cannot read '%s': %s", path, strerror(errno));
	fclose(f);
	if (s == VLA_OK && b.n > MAX_BYTES)
		s = vla_fail(err, VLA_EFORMAT, "'%s' is larger than a recipe can be (1 MiB)", path);
	if (s == VLA_OK && memchr(b.data, 0, b.n))
		s = vla_fail(err, VLA_EFORMAT, "'%s' is not a text file", path);
	if (s == VLA_OK)
		s = vla_buf_add(&b, "", 1, err);
	if (s == VLA_OK)
		s = vla_recipe_parse(path, b.data, overrides, n, out, err);
	vla_buf_release(&b);
	return s;
}

void vla_recipe_free(vla_recipe *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++) {
		vla_section *s = &r->sec[i];
		for (size_t k = 0; k < s->n; k++) {
			free(s->set[k].key);
			free(s->set[k].value);
		}
		free(s->set);
		free(s->kind);
		free(s->name);
	}
	free(r->sec);
	free(r->path);
	free(r->dir);
	free(r);
}

const vla_section *vla_recipe_section(const vla_recipe *r, const char *kind, size_t i)
{
	for (size_t k = 0; k < r->n; k++)
		if (!strcmp(r->sec[k].kind, kind) && (*r->sec[k].name || !vla_section_named(kind)) && !i--)
			return &r->sec[k];
	return NULL;
}

static const vla_setting *lookup(const vla_recipe *r, const char *kind, const vla_section *sec, const char *key)
{
	const vla_setting *s = sec ? get_setting(sec, key) : NULL;
	if (s)
		return s;
	const vla_section *def = vla_recipe_find(r, kind, "");
	return def ? get_setting(def, key) : NULL;
}

const char *vla_recipe_text(const vla_recipe *r, const char *kind, const vla_section *sec, const char *key)
{
	const vla_setting *s = lookup(r, kind, sec, key);
	if (s)
		return s->value;
	const vla_recipe_row *k = find_key(kind, key);
	return k ? k->fallback : "";
}

bool vla_recipe_given(const vla_recipe *r, const char *kind, const vla_section *sec, const char *key)
{
	const vla_setting *s = lookup(r, kind, sec, key);
	return s && *s->value;
}

bool vla_recipe_bool(const vla_recipe *r, const char *kind, const vla_section *sec, const char *key)
{
	bool b = false;
	parse_bool(vla_recipe_text(r, kind, sec, key), &b);
	return b;
}

double vla_recipe_number(const vla_recipe *r, const char *kind, const vla_section *sec, const char *key)
{
	return strtod(vla_recipe_text(r, kind, sec, key), NULL);
}

int64_t vla_recipe_int(const vla_recipe *r, const char *kind, const vla_section *sec, const char *key)
{
	return (int64_t)vla_recipe_number(r, kind, sec, key);
}

unsigned vla_recipe_choice(const vla_recipe *r, const char *kind, const vla_section *sec, const char *key)
{
	const vla_recipe_row *k = find_key(kind, key);
	const char *v = vla_recipe_text(r, kind, sec, key);
	int i = k && k->choices ? choice_index(k->choices, v, strlen(v)) : 0;
	return i < 0 ? 0 : (unsigned)i;
}

unsigned vla_recipe_line(const vla_recipe *r, const char *kind, const vla_section *sec, const char *key)
{
	const vla_setting *s = lookup(r, kind, sec, key);
	return s ? s->line : sec ? sec->line : 0;
}

bool vla_recipe_prefixed(const vla_recipe *r, const char *kind, const vla_section *sec, const char *prefix, size_t i,
			 const char **rest, const char **value)
{
	const vla_section *both[2] = { sec, vla_recipe_find(r, kind, "") };
	size_t np = strlen(prefix);
	for (int b = 0; b < 2; b++) {
		if (!both[b] || (b && both[1] == both[0]))
			continue;
		for (size_t k = 0; k < both[b]->n; k++) {
			const vla_setting *s = &both[b]->set[k];
			if (strncmp(s->key, prefix, np) || (b && sec && get_setting(sec, s->key)) || i--)
				continue;
			*rest = s->key + np;
			*value = s->value;
			return true;
		}
	}
	return false;
}

char *vla_recipe_path(const vla_recipe *r, const char *root, const char *path)
{
	if (*path == '/')
		return vla_strdup(path);
	return vla_format("%s/%s", root && *root ? root : r->dir, path);
}

vla_status vla_split_list(const char *s, char sep, char ***list, size_t *n, vla_err *err)
{
	size_t parts = 1, bytes = strlen(s) + 1;
	for (const char *p = s; *p; p++)
		parts += *p == sep;
	char **v = vla_alloc(parts * sizeof *v + bytes, 1);
	if (!v)
		return vla_nomem(err);
	char *copy = (char *)(v + parts);
	memcpy(copy, s, bytes);
	*n = 0;
	for (char *p = copy; p;) {
		char *next = strchr(p, sep);
		if (next)
			*next++ = 0;
		p = trim(p);
		if (*p)
			v[(*n)++] = p;
		p = next;
	}
	*list = v;
	return VLA_OK;
}

uint64_t vla_recipe_hash(const vla_recipe *r)
{
	uint64_t h = 0;
	for (size_t i = 0; i < r->n; i++) {
		const vla_section *s = &r->sec[i];
		h = vla_hash64(s->kind, strlen(s->kind), h);
		h = vla_hash64(s->name, strlen(s->name), h);
		uint64_t sum = 0; // the order of keys within a section has no meaning
		for (size_t k = 0; k < s->n; k++) {
			const vla_recipe_row *row = find_key(s->kind, s->set[k].key);
			if (row && !row->neutral)
				sum += vla_hash64(s->set[k].value, strlen(s->set[k].value),
						  vla_hash64(s->set[k].key, strlen(s->set[k].key), 0));
		}
		h = vla_hash64(&sum, sizeof sum, h);
	}
	return h;
}

vla_status vla_recipe_fail(const vla_recipe *r, const char *kind, const vla_section *sec, const char *key, vla_err *err,
			   const char *fmt, ...)
{
	char msg[200];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof msg, fmt, ap);
	va_end(ap);
	unsigned line = vla_recipe_line(r, kind, sec, key);
	if (line)
		return vla_fail(err, VLA_EINVAL, "%s:%u: %s", r->path, line, msg);
	return vla_fail(err, VLA_EINVAL, "%s: [%s%s%s]: %s", r->path, kind, sec && *sec->name ? " " : "",
			sec ? sec->name : "", msg);
}
