/* Tables by the roles of their columns: which column is the picture, which the text. Bad lines are warnings that name
 * their number, and memory does not grow with the table. */
#include "probe/probe.h"

#include "io/json.h"
#include "text/unicode.h"

// The usual names of the columns that play a role, most telling first.
static const struct {
	const char *role, *names;
} usual[] = {
	{ "image", "image,file,image_path,path,coco_file,image_id" },
	{ "caption", "caption,text,captions,statement,sentence,expression,true_caption" },
	{ "label", "label,class,category,answer" },
	{ "name", "name,class_name,clip_name,label" },
	{ "positive", "caption,pos,positive,true_caption" },
	{ "negative", "negative_caption,neg,negative,false_caption,negatives" },
	{ "options", "options" },
	{ "gold", "gold" },
	{ "group", "group,task,aspect,set,split,type" },
	{ "id", "id,item,image_id,file,image" },
	{ "question", "question,prompt" },
	{ "answer", "answer,label" },
	{ "prediction", "prediction,pred,response,output" },
	{ "score", "score" },
	{ "scores", "scores" },
	{ "phrase", "phrase,expression,caption" },
	{ "object", "object,category,name" },
	{ "reference", "reference,references,caption,captions" },
	{ "mask", "mask,file,path" },
	{ "tags", "tags,pos_tags" },
	{ "split", "split" },
};

static vla_status bad_condition(const char *s, vla_err *err)
{
	return vla_fail(err, VLA_EINVAL, "a condition is COLUMN=VALUE or COLUMN!=VALUE, not '%.60s'", s);
}

// Of the row, else of its picture in the joined table.
static const char *cell(const vla_rows *r, const char *column)
{
	const char *s = vla_table_get(r->t, column);
	if (s || !r->p->join || !vla_join_has(r->p->join, column))
		return s;
	const char *image = vla_rows_get(r, "image");
	return image ? vla_join_get(r->p->join, image, column) : NULL;
}

// Whether the row satisfies the condition s [n].
static vla_status holds(const vla_rows *r, const char *s, size_t n, bool *yes, vla_err *err)
{
	char column[128];
	const char *eq = memchr(s, '=', n);
	size_t len = eq ? (size_t)(eq - s) : 0;
	bool not = len && s[len - 1] == '!';
	len -= not ;
	if (!len || len >= sizeof column)
		return bad_condition(s, err);
	memcpy(column, s, len);
	column[len] = 0;
	const char *value = cell(r, column);
	if (!value && !vla_table_has(r->t, column) && !(r->p->join && vla_join_has(r->p->join, column)))
		return vla_fail(err, VLA_EINVAL, "there is no column '%s'", column);
	size_t nv = value ? strlen(value) : 0;
	bool any = false;
	for (const char *at = eq + 1, *end = s + n;; at++) {
		const char *bar = memchr(at, '|', (size_t)(end - at));
		size_t k = (size_t)((bar ? bar : end) - at);
		any = any || (value && k == nv && memcmp(at, value, nv) == 0);
		if (!bar)
			break;
		at = bar;
	}
	*yes = any != not ;
	return VLA_OK;
}

static vla_status taken(const vla_rows *r, bool *yes, vla_err *err)
{
	*yes = true;
	for (size_t i = 0; i < r->p->o->wheres && *yes; i++)
		VLA_TRY(holds(r, r->p->o->where[i], strlen(r->p->o->where[i]), yes, err));
	for (const char *at = r->where; at && *at && *yes;) {
		size_t n = strcspn(at, ",");
		VLA_TRY(holds(r, at, n, yes, err));
		at += n + (at[n] == ',');
	}
	return VLA_OK;
}

vla_status vla_rows_open(vla_probe *p, const char *path, const char *more, vla_rows *r, vla_err *err)
{
	*r = (vla_rows){ .p = p, .where = more };
	const char *slash = strrchr(path, '/');
	r->folder = p->o->root ? vla_strdup(p->o->root)
		    : slash    ? vla_strndup(path, (size_t)(slash - path))
			       : vla_strdup(".");
	if (!r->folder)
		return vla_nomem(err);
	return vla_table_open(path, VLA_TABLE_AUTO, &r->t, err);
}

void vla_rows_close(vla_rows *r)
{
	vla_table_close(r->t);
	free(r->folder);
	*r = (vla_rows){ 0 };
}

static bool is_text(const vla_table *t)
{
	for (size_t i = 0; i < vla_table_fields(t); i++) {
		const char *s = vla_table_value(t, i);
		if (s && !vla_utf8_valid(s, strlen(s)))
			return false;
	}
	return true;
}

vla_status vla_rows_next(vla_rows *r, vla_err *err)
{
	for (;;) {
		vla_err why = VLA_ERR_INIT;
		bool yes;
		vla_status s = vla_table_next(r->t, &why);
		if (s == VLA_EFORMAT) {
			r->bad++;
			vla_probe_warn(r->p, "%s", why.msg);
			continue;
		}
		if (s != VLA_OK) {
			if (err && s != VLA_EOF)
				*err = why;
			return s;
		}
		if (!is_text(r->t)) {
			vla_rows_warn(r, "text is not UTF-8");
			continue;
		}
		VLA_TRY(taken(r, &yes, err));
		if (yes)
			return VLA_OK;
	}
}

// The column that was named for the role, or NULL.
static const char *named(const vla_probe *p, const char *role)
{
	size_t n = strlen(role);
	for (size_t i = p->o->columns; i-- > 0;)
		if (strncmp(p->o->column[i], role, n) == 0 && p->o->column[i][n] == '=')
			return p->o->column[i] + n + 1;
	return NULL;
}

static const char *usual_names(const char *role)
{
	for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
		if (strcmp(usual[i].role, role) == 0)
			return usual[i].names;
	return role;
}

const char *vla_rows_get(const vla_rows *r, const char *role)
{
	const char *name = named(r->p, role);
	if (name)
		return cell(r, name);
	char one[64];
	for (const char *at = usual_names(role); *at;) {
		size_t n = strcspn(at, ",");
		if (n < sizeof one) {
			memcpy(one, at, n);
			one[n] = 0;
			const char *s = vla_table_get(r->t, one);
			if (s && *s)
				return s;
		}
		at += n + (at[n] == ',');
	}
	return NULL;
}

vla_status vla_rows_need(const vla_rows *r, const char *role, vla_err *err)
{
	const char *name = named(r->p, role);
	bool have = name && (vla_table_has(r->t, name) || (r->p->join && vla_join_has(r->p->join, name)));
	char one[64];
	for (const char *at = usual_names(role); !name && *at && !have;) {
		size_t n = strcspn(at, ",");
		if (n < sizeof one) {
			memcpy(one, at, n);
			one[n] = 0;
			have = vla_table_has(r->t, one);
		}
		at += n + (at[n] == ',');
	}
	if (have)
		return VLA_OK;
	return vla_fail(err, VLA_EINVAL, "no column for the %s (looked for %s; --column %s=NAME names one)", role,
			name ? name : usual_names(role), role);
}

size_t vla_rows_line(const vla_rows *r)
{
	return vla_table_line(r->t);
}

void vla_rows_warn(vla_rows *r, const char *fmt, ...)
{
	char msg[900];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof msg, fmt, ap);
	va_end(ap);
	r->bad++;
	vla_probe_warn(r->p, "line %zu: %s", vla_rows_line(r), msg);
}

char *vla_rows_path(const vla_rows *r, const char *cell)
{
	return cell[0] == '/' || strcmp(r->folder, ".") == 0 ? vla_strdup(cell) : vla_format("%s/%s", r->folder, cell);
}

static bool box_list(const char *s, double box[4])
{
	json_t *a;
	if (vla_json_parse(s, strlen(s), 0, &a, NULL) != VLA_OK)
		return false;
	bool good = json_is_array(a) && json_array_size(a) == 4;
	for (size_t i = 0; good && i < 4; i++) {
		good = json_is_number(json_array_get(a, i));
		box[i] = json_number_value(json_array_get(a, i));
	}
	json_decref(a);
	return good;
}

bool vla_rows_box(const vla_rows *r, const char *prefix, double box[4])
{
	static const char *const side[4] = { "x", "y", "w", "h" };
	char name[32];
	snprintf(name, sizeof name, "%sbox", prefix);
	const char *list = vla_table_get(r->t, name);
	if (!list && !*prefix)
		list = vla_table_get(r->t, "bbox");
	if (list)
		return box_list(list, box) && box[2] > 0 && box[3] > 0;
	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof name, "%s%s", prefix, side[i]);
		if (!vla_number(vla_table_get(r->t, name), &box[i]))
			return false;
	}
	return box[2] > 0 && box[3] > 0;
}

void vla_texts_free(char **text, size_t n)
{
	for (size_t i = 0; text && i < n; i++)
		free(text[i]);
	free(text);
}

vla_status vla_texts_of(const char *cell, char ***out, size_t *n, vla_err *err)
{
	json_t *a = NULL;
	*n = 0;
	if (cell[0] == '[' && vla_json_parse(cell, strlen(cell), 0, &a, NULL) != VLA_OK)
		a = NULL;
	size_t k = json_is_array(a) ? json_array_size(a) : 1;
	char **text = vla_zalloc(k ? k : 1, sizeof *text);
	vla_status s = text ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; i < k && s == VLA_OK; i++) {
		const char *one = a ? json_string_value(json_array_get(a, i)) : cell;
		text[i] = vla_strdup(one ? one : "");
		s = text[i] ? VLA_OK : vla_nomem(err);
	}
	json_decref(a);
	if (s != VLA_OK) {
		vla_texts_free(text, k);
		return s;
	}
	*out = text;
	*n = k;
	return VLA_OK;
}
