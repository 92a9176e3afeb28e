/* Data sets of a recipe: common parts of all layouts. A section is read once into arrays of examples; what a batch
 * needs later are indices. Texts of classes are put into their templates when a batch is made. */
#include "train/data.h"

#include "io/file.h"
#include "io/image.h"

#include <vla/checkpoint.h>

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

static vla_status grow(void *array, size_t *cap, size_t n, size_t size, vla_err *err)
{
	void **p = array;
	if (n < *cap)
		return VLA_OK;
	size_t want = *cap ? *cap * 2 : 64;
	void *q = vla_realloc(*p, want, size);
	if (!q)
		return vla_nomem(err);
	*p = q;
	*cap = want;
	return VLA_OK;
}

char *vla_data_string(vla_data *d, const char *s)
{
	size_t n = strlen(s) + 1;
	char *p = vla_arena_alloc(d->mem, n, 1);
	if (p)
		memcpy(p, s, n);
	return p;
}

vla_status vla_data_example(vla_data *d, const char *id, bool *fresh, vla_example **out, vla_err *err)
{
	uint32_t i;
	size_t before = d->ids.n;
	VLA_TRY(vla_intern_add(&d->ids, id, &i, err));
	*fresh = d->ids.n > before;
	if (*fresh) {
		VLA_TRY(grow(&d->ex, &d->cap, d->n, sizeof *d->ex, err));
		d->ex[d->n++] = (vla_example){ NULL, VLA_NONE, 0, 0, 0, 0, 0, 0, VLA_NONE };
		d->ex[i].id = vla_data_string(d, id);
		if (!d->ex[i].id)
			return vla_nomem(err);
	}
	*out = &d->ex[i];
	return VLA_OK;
}

vla_status vla_data_add_picture(vla_data *d, vla_example *e, const char *path, uint64_t offset, uint64_t bytes,
				vla_err *err)
{
	VLA_TRY(grow(&d->picture, &d->picture_cap, d->pictures, sizeof *d->picture, err));
	// Members of one shard share the path.
	const char *last = d->pictures ? d->picture[d->pictures - 1].path : NULL;
	const char *p = last && !strcmp(last, path) ? last : vla_data_string(d, path);
	if (!p)
		return vla_nomem(err);
	e->picture = (uint32_t)d->pictures;
	d->picture[d->pictures++] = (vla_picture){ p, offset, bytes };
	return VLA_OK;
}

vla_status vla_data_add_text(vla_data *d, vla_example *e, const char *text, vla_err *err)
{
	if (!*text)
		return VLA_OK;
	// Captions of an example lie together: when others came between, its list moves to the end.
	size_t more = e->texts && e->first_text + e->texts != d->texts ? e->texts : 0;
	uint32_t first = e->first_text;
	if (!e->texts || more)
		e->first_text = (uint32_t)d->texts;
	for (size_t i = 0; i <= more; i++) {
		VLA_TRY(grow(&d->text, &d->text_cap, d->texts, sizeof *d->text, err));
		const char *s = i < more ? d->text[first + i] : vla_data_string(d, text);
		if (!s)
			return vla_nomem(err);
		d->text[d->texts++] = s;
	}
	e->texts++;
	return VLA_OK;
}

vla_status vla_data_set_label(vla_corpus *c, vla_example *e, const char *label, vla_err *err)
{
	if (!*label)
		return VLA_OK;
	uint32_t id;
	VLA_TRY(vla_intern_add(&c->classes, label, &id, err));
	e->label = id;
	return VLA_OK;
}

vla_status vla_data_add_name(vla_data *d, vla_example *e, const char *text, uint32_t column, vla_err *err)
{
	if (!*text)
		return VLA_OK;
	VLA_TRY(grow(&d->names, &d->name_cap, d->n_names, sizeof *d->names, err));
	if (!e->names)
		e->first_name = (uint32_t)d->n_names;
	const char *s = vla_data_string(d, text);
	if (!s)
		return vla_nomem(err);
	d->names[d->n_names++] = (vla_name){ s, column };
	e->names++;
	return VLA_OK;
}

bool vla_data_share_names(vla_data *d, vla_example *e)
{
	const vla_example *last = e > d->ex ? e - 1 : NULL;
	if (!last || !e->names || e->names != last->names || e->first_name + e->names != d->n_names)
		return false;
	for (uint32_t i = 0; i < e->names; i++) {
		const vla_name *a = &d->names[e->first_name + i], *b = &d->names[last->first_name + i];
		if (a->column != b->column || strcmp(a->text, b->text))
			return false;
	}
	d->n_names -= e->names;
	e->first_name = last->first_name;
	return true;
}

vla_status vla_data_add_vector(vla_data *d, vla_example *e, uint64_t row, vla_err *err)
{
	if (row >= d->n_rows)
		return vla_fail(err, VLA_EFORMAT, "row %llu of a tensor with %zu rows", (unsigned long long)row,
				d->n_rows);
	VLA_TRY(grow(&d->vector_row, &d->vector_cap, d->n_vectors, sizeof *d->vector_row, err));
	e->first_vector = (uint32_t)d->n_vectors;
	e->vectors = 1;
	d->vector_row[d->n_vectors++] = (uint32_t)row;
	return VLA_OK;
}

// One file of templates, or the templates of a value between '|'.
static vla_status add_templates(vla_data *d, vla_column *col, const char *text, char sep, vla_err *err)
{
	char **part;
	size_t n;
	VLA_TRY(vla_split_list(text, sep, &part, &n, err));
	const char **all = vla_arena_alloc(d->mem, col->n + n, sizeof *all);
	vla_status s = all ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; i < col->n && s == VLA_OK; i++)
		all[i] = col->pattern[i];
	for (size_t i = 0; i < n && s == VLA_OK; i++) {
		if (!strstr(part[i], "{}"))
			s = vla_fail(err, VLA_EFORMAT, "template '%.80s' has no {}", part[i]);
		else if (!(all[col->n + i] = vla_data_string(d, part[i])))
			s = vla_nomem(err);
	}
	free(part);
	VLA_TRY(s);
	col->pattern = all;
	col->n += n;
	return VLA_OK;
}

static vla_status read_templates(const vla_recipe *r, const char *kind, vla_data *d, vla_column *col, vla_err *err)
{
	const char *rest, *value;
	for (size_t i = 0; vla_recipe_prefixed(r, kind, d->sec, "template.", i, &rest, &value); i++)
		if (!strcmp(rest, col->name) || !strcmp(rest, "*"))
			VLA_TRY(add_templates(d, col, value, '|', err));
	for (size_t i = 0; vla_recipe_prefixed(r, kind, d->sec, "templates.", i, &rest, &value); i++) {
		if (strcmp(rest, col->name) && strcmp(rest, "*"))
			continue;
		char *path = vla_recipe_path(r, d->root, value);
		vla_buf b = { NULL, 0, 0 };
		vla_status s = path ? vla_read_file(path, 1 << 24, &b, err) : vla_nomem(err);
		if (s == VLA_OK)
			s = add_templates(d, col, b.data, '\n', err);
		vla_buf_release(&b);
		free(path);
		VLA_TRY(s);
	}
	if (!col->n)
		VLA_TRY(add_templates(d, col, "{}", '|', err));
	return VLA_OK;
}

static vla_status read_columns(const vla_recipe *r, const char *kind, vla_data *d, vla_err *err)
{
	const char *value = vla_recipe_text(r, kind, d->sec, "names");
	if (!*value)
		value = vla_recipe_text(r, kind, d->sec, "label");
	char **name;
	size_t n;
	VLA_TRY(vla_split_list(value, ',', &name, &n, err));
	// Classes that are no column (folders, shards, streams) go into the first one's templates: there is always one.
	size_t columns = n ? n : 1;
	d->column = vla_arena_zalloc(d->mem, columns, sizeof *d->column);
	vla_status s = d->column ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; i < columns && s == VLA_OK; i++) {
		vla_column *col = &d->column[i];
		col->name = vla_data_string(d, n ? name[i] : "");
		s = col->name ? read_templates(r, kind, d, col, err) : vla_nomem(err);
		d->columns = i + 1;
	}
	free(name);
	return s;
}

static vla_status open_tensor(vla_data *d, const char *value, vla_err *err)
{
	char *copy = vla_recipe_path(NULL, d->root, value);
	char *colon = copy ? strrchr(copy, ':') : NULL;
	vla_checkpoint *ck = NULL;
	vla_status s = VLA_OK;
	if (!copy)
		return vla_nomem(err);
	if (!colon) {
		s = vla_fail(err, VLA_EFORMAT, "tensor is FILE:NAME, not '%.100s'", value);
		goto out;
	}
	*colon = 0;
	s = vla_checkpoint_open(copy, &ck, err);
	if (s != VLA_OK)
		goto out;
	const vla_ct *t = vla_checkpoint_get(ck, colon + 1);
	if (!t || t->ndim < 2) {
		s = vla_fail(err, VLA_EFORMAT, "'%s' has no matrix '%s'", copy, colon + 1);
		goto out;
	}
	d->n_rows = t->dim[0];
	d->dim = t->dim[0] ? t->n / t->dim[0] : 0;
	d->rows = vla_alloc(t->n, sizeof *d->rows);
	s = d->rows ? vla_ct_to_f32(t, d->rows, err) : vla_nomem(err);
out:
	vla_checkpoint_close(ck);
	free(copy);
	return s;
}

// The id of the picture that a stream's record was made from: what follows "#crop=" tells crops apart.
static char *base_id(const char *id)
{
	const char *mark = strstr(id, "#crop=");
	return mark ? vla_strndup(id, (size_t)(mark - id)) : vla_strdup(id);
}

// Without a manifest the stream's records are the examples.
static vla_status read_stream_examples(vla_corpus *c, vla_data *d, vla_err *err)
{
	for (size_t i = 0; i < d->n_rows; i++) {
		char *id = base_id(vla_matrix_id(d->matrix, i));
		bool fresh = false;
		vla_example *e = NULL;
		vla_status s = id ? vla_data_example(d, id, &fresh, &e, err) : vla_nomem(err);
		free(id);
		VLA_TRY(s);
		const char *caption = vla_matrix_caption(d->matrix, i), *label = vla_matrix_label(d->matrix, i);
		if (caption && (fresh || !e->texts || strcmp(d->text[e->first_text + e->texts - 1], caption)))
			VLA_TRY(vla_data_add_text(d, e, caption, err));
		if (label && fresh && *label) {
			VLA_TRY(vla_data_set_label(c, e, label, err));
			VLA_TRY(vla_data_add_name(d, e, label, 0, err));
			vla_data_share_names(d, e);
		}
	}
	return VLA_OK;
}

// Gives every example the rows of its picture, in the stream's order.
static vla_status join_vectors(vla_data *d, vla_err *err)
{
	uint32_t *owner = vla_alloc(d->n_rows, sizeof *owner);
	d->vector_row = vla_alloc(d->n_rows, sizeof *d->vector_row);
	if (!owner || !d->vector_row) {
		free(owner);
		return vla_nomem(err);
	}
	for (size_t i = 0; i < d->n_rows; i++) {
		const char *full = vla_matrix_id(d->matrix, i);
		owner[i] = vla_intern_find(&d->ids, full);
		if (owner[i] == VLA_NONE) {
			char *id = base_id(full);
			if (!id) {
				free(owner);
				return vla_nomem(err);
			}
			owner[i] = vla_intern_find(&d->ids, id);
			free(id);
		}
		if (owner[i] != VLA_NONE)
			d->ex[owner[i]].vectors++;
	}
	uint32_t at = 0;
	for (size_t i = 0; i < d->n; i++) {
		d->ex[i].first_vector = at;
		at += d->ex[i].vectors;
		d->ex[i].vectors = 0;
	}
	for (size_t i = 0; i < d->n_rows; i++)
		if (owner[i] != VLA_NONE) {
			vla_example *e = &d->ex[owner[i]];
			d->vector_row[e->first_vector + e->vectors++] = (uint32_t)i;
		}
	d->n_vectors = at;
	free(owner);
	return VLA_OK;
}

static vla_status open_vectors(vla_corpus *c, vla_data *d, vla_err *err)
{
	const vla_recipe *r = c->recipe;
	const char *stream = vla_recipe_text(r, "data", d->sec, "features");
	if (!*stream)
		return VLA_OK;
	char *path = vla_recipe_path(r, d->root, stream);
	if (!path)
		return vla_nomem(err);
	vla_status s = vla_matrix_open(path, &d->matrix, err);
	free(path);
	VLA_TRY(s);
	d->dim = vla_matrix_header(d->matrix)->dim;
	d->n_rows = vla_matrix_rows(d->matrix);
	if (d->n_rows >= VLA_NONE)
		return vla_fail(err, VLA_EUNSUPPORTED, "'%s' has too many records", stream);
	if (!d->n)
		VLA_TRY(read_stream_examples(c, d, err));
	return join_vectors(d, err);
}

static vla_status drop_empty(vla_data *d, vla_err *err)
{
	size_t n = 0;
	for (size_t i = 0; i < d->n; i++)
		if (d->ex[i].picture != VLA_NONE || d->ex[i].vectors || (!d->pictures && !d->dim))
			d->ex[n++] = d->ex[i];
	d->n = n;
	if (!n)
		return vla_fail(err, VLA_EFORMAT, "it has no examples");
	return VLA_OK;
}

static void read_numbers(const vla_recipe *r, vla_data *d)
{
	const vla_section *s = d->sec;
	d->share = vla_recipe_number(r, "data", s, "weight");
	d->name_share = vla_recipe_number(r, "data", s, "name_share");
	d->word_dropout = vla_recipe_number(r, "data", s, "word_dropout");
	d->crops = (uint32_t)vla_recipe_int(r, "data", s, "crops");
	vla_augment_opts o = VLA_AUGMENT_OPTS_INIT;
	o.min_area = (float)vla_recipe_number(r, "data", s, "crop_min");
	o.max_area = (float)vla_recipe_number(r, "data", s, "crop_max");
	o.max_aspect = (float)vla_recipe_number(r, "data", s, "crop_aspect");
	o.flip = (float)vla_recipe_number(r, "data", s, "flip");
	o.jitter = (float)vla_recipe_number(r, "data", s, "jitter");
	o.hue = (float)vla_recipe_number(r, "data", s, "hue");
	o.grey = (float)vla_recipe_number(r, "data", s, "grey");
	o.blur = (float)vla_recipe_number(r, "data", s, "blur");
	o.erase = (float)vla_recipe_number(r, "data", s, "erase");
	d->augment = o;
}

static vla_status read_layout(vla_corpus *c, const char *kind, vla_data *d, vla_err *err)
{
	const vla_recipe *r = c->recipe;
	bool data = !strcmp(kind, "data");
	if (data && vla_recipe_given(r, kind, d->sec, "tensor"))
		VLA_TRY(open_tensor(d, vla_recipe_text(r, kind, d->sec, "tensor"), err));
	if (vla_recipe_given(r, kind, d->sec, "manifest"))
		VLA_TRY(vla_data_read_manifest(c, kind, d, err));
	else if (data && vla_recipe_given(r, kind, d->sec, "tar"))
		VLA_TRY(vla_data_read_tar(c, d, err));
	else if (data && vla_recipe_given(r, kind, d->sec, "folder"))
		VLA_TRY(vla_data_read_folder(c, d, err));
	else if (!data || !vla_recipe_given(r, kind, d->sec, "features"))
		return vla_fail(err, VLA_EFORMAT,
				data ? "it names no manifest, tar, folder or features" : "it names no manifest");
	return data ? open_vectors(c, d, err) : VLA_OK;
}

vla_status vla_data_open(vla_corpus *c, const char *kind, const vla_section *sec, vla_data *d, vla_err *err)
{
	const vla_recipe *r = c->recipe;
	*d = (vla_data){ .name = sec->name, .sec = sec, .mem = vla_arena_new(0), .name_share = 0.5 };
	const char *root = vla_recipe_text(r, kind, sec, "root"), *env = getenv("VLA_DATA");
	if (*root)
		d->root = vla_recipe_path(r, NULL, root);
	else
		d->root = vla_strdup(env && *env ? env : r->dir);
	vla_status s = d->mem && d->root ? read_columns(r, kind, d, err) : vla_nomem(err);
	if (s == VLA_OK && !strcmp(kind, "data"))
		read_numbers(r, d);
	if (s == VLA_OK)
		s = read_layout(c, kind, d, err);
	if (s == VLA_OK)
		s = drop_empty(d, err);
	if (s != VLA_OK)
		vla_prefix(err, s, "[%s %s]", kind, sec->name);
	vla_intern_release(&d->ids);
	if (s == VLA_OK && d->share == 0)
		d->share = (double)d->n;
	return s;
}

void vla_data_close(vla_data *d)
{
	vla_intern_release(&d->ids);
	free(d->ex);
	free(d->picture);
	free(d->text);
	free(d->names);
	free(d->vector_row);
	free(d->rows);
	free(d->root);
	vla_matrix_close(d->matrix);
	vla_arena_free(d->mem);
}

vla_status vla_corpus_open(const vla_recipe *r, vla_warn_fn *warn, void *ctx, vla_corpus **out, vla_err *err)
{
	size_t n = 0;
	(void)warn;
	(void)ctx;
	while (vla_recipe_section(r, "data", n))
		n++;
	vla_corpus *c = vla_zalloc(1, sizeof *c);
	if (!c)
		return vla_nomem(err);
	c->recipe = r;
	c->data = vla_zalloc(n, sizeof *c->data);
	vla_status s = c->data ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; i < n && s == VLA_OK; i++) {
		vla_data *d = &c->data[c->n++];
		s = vla_data_open(c, "data", vla_recipe_section(r, "data", i), d, err);
		d->first_picture = c->pictures;
		c->pictures += d->pictures;
	}
	if (s == VLA_OK && !n)
		s = vla_fail(err, VLA_EFORMAT, "%s: there is no [data NAME]", r->path);
	if (s != VLA_OK) {
		vla_corpus_close(c);
		return s;
	}
	*out = c;
	return VLA_OK;
}

void vla_corpus_close(vla_corpus *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++)
		vla_data_close(&c->data[i]);
	free(c->data);
	vla_intern_release(&c->classes);
	free(c);
}

size_t vla_corpus_find(const vla_corpus *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->data[i].name, name))
			return i;
	return SIZE_MAX;
}

vla_status vla_data_prompt(const vla_data *d, const vla_name *name, size_t t, vla_buf *out, vla_err *err)
{
	const vla_column *col = &d->column[name->column];
	const char *p = col->pattern[t % col->n], *hole = strstr(p, "{}");
	VLA_TRY(vla_buf_add(out, p, (size_t)(hole - p), err));
	VLA_TRY(vla_buf_add(out, name->text, strlen(name->text), err));
	return vla_buf_add(out, hole + 2, strlen(hole + 2) + 1, err);
}

vla_status vla_data_text(const vla_data *d, const vla_example *e, vla_rng *rng, vla_buf *out, bool *found, vla_err *err)
{
	*found = e->texts || e->names;
	if (!*found)
		return VLA_OK;
	bool by_name = e->names && (!e->texts || vla_rng_double(rng) < d->name_share);
	if (!by_name) {
		const char *s = d->text[e->first_text + vla_rng_below(rng, e->texts)];
		return vla_buf_add(out, s, strlen(s) + 1, err);
	}
	const vla_name *name = &d->names[e->first_name + vla_rng_below(rng, e->names)];
	return vla_data_prompt(d, name, (size_t)vla_rng_below(rng, d->column[name->column].n), out, err);
}

void vla_data_vector(const vla_data *d, uint32_t row, float *out)
{
	if (d->rows)
		memcpy(out, d->rows + (size_t)row * d->dim, d->dim * sizeof *out);
	else
		vla_matrix_row(d->matrix, row, out);
}

vla_status vla_picture_load(const vla_picture *p, uint32_t min_side, vla_image *out, vla_err *err)
{
	vla_image_opts o = VLA_IMAGE_OPTS_INIT;
	o.min_side = min_side;
	vla_status s = VLA_OK;
	if (!p->bytes) {
		s = vla_image_load(p->path, &o, out, err);
		return s;
	}
	if (p->bytes > VLA_IMAGE_MAX_FILE)
		return vla_fail(err, VLA_EUNSUPPORTED, "a picture file of over 1 GiB in '%s'", p->path);
	FILE *f = fopen(p->path, "rb");
	if (!f)
		return vla_fail(err, VLA_EIO, "cannot open '%s': %s", p->path, strerror(errno));
	char *bytes = vla_alloc((size_t)p->bytes, 1);
	if (!bytes)
		s = vla_nomem(err);
	else if (fseeko(f, (off_t)p->offset, SEEK_SET) || fread(bytes, 1, (size_t)p->bytes, f) != p->bytes)
		s = vla_fail(err, VLA_ETRUNC, "cannot read a picture from '%s'", p->path);
	else
		s = vla_image_decode(bytes, (size_t)p->bytes, &o, out, err);
	free(bytes);
	fclose(f);
	return s;
}
