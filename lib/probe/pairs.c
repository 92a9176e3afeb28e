/* Pictures with their texts, and pictures with their classes, from tables or streams. */
#include "probe/probe.h"

#include "train/intern.h"

// Makes room for one more of n in the list whose pointer is at `list`, of `cap` members.
static vla_status grow(void *list, size_t *cap, size_t n, size_t size, vla_err *err)
{
	void *p;
	if (n < *cap)
		return VLA_OK;
	size_t more = *cap ? 2 * *cap : 64;
	memcpy(&p, list, sizeof p); // whatever it points to
	p = vla_realloc(p, more, size);
	if (!p)
		return vla_nomem(err);
	memcpy(list, &p, sizeof p);
	*cap = more;
	return VLA_OK;
}

static vla_status add_text(vla_pairs *d, const char *text, size_t of, vla_err *err)
{
	size_t cap = d->texts_cap;
	VLA_TRY(grow(&d->text, &cap, d->texts, sizeof *d->text, err));
	cap = d->texts_cap;
	VLA_TRY(grow(&d->of, &cap, d->texts, sizeof *d->of, err));
	d->texts_cap = cap;
	d->text[d->texts] = vla_strdup(text);
	if (!d->text[d->texts])
		return vla_nomem(err);
	d->of[d->texts++] = of;
	return VLA_OK;
}

static vla_status add_row(vla_pairs *d, vla_rows *r, vla_intern *known, vla_err *err)
{
	const char *file = vla_rows_get(r, "image"), *caption = vla_rows_get(r, "caption");
	uint32_t at;
	if (!file || !caption) {
		vla_rows_warn(r, "no %s", file ? "caption" : "picture");
		return VLA_OK;
	}
	char *path = vla_rows_path(r, file);
	size_t before = known->n;
	if (!path)
		return vla_nomem(err);
	vla_status s = vla_intern_add(known, path, &at, err);
	if (s == VLA_OK && known->n > before)
		s = grow(&d->image, &d->images_cap, d->images, sizeof *d->image, err);
	if (s == VLA_OK && known->n > before) {
		d->image[d->images++] = path;
		path = NULL;
	}
	free(path);
	char **text = NULL;
	size_t n = 0;
	if (s == VLA_OK)
		s = vla_texts_of(caption, &text, &n, err);
	for (size_t i = 0; i < n && s == VLA_OK; i++)
		s = add_text(d, text[i], at, err);
	vla_texts_free(text, n);
	return s;
}

static vla_status read_tables(vla_probe *p, const char *where, vla_pairs *d, vla_err *err)
{
	vla_intern known = { 0 };
	vla_status s = VLA_OK;
	for (size_t i = 0; i < p->o->inputs && s == VLA_OK; i++) {
		vla_rows r = { 0 };
		s = vla_rows_open(p, p->o->input[i], where, &r, err);
		if (s == VLA_OK)
			s = vla_rows_need(&r, "image", err);
		if (s == VLA_OK)
			s = vla_rows_need(&r, "caption", err);
		while (s == VLA_OK && (s = vla_rows_next(&r, err)) == VLA_OK)
			s = add_row(d, &r, &known, err);
		s = s == VLA_EOF ? VLA_OK : s;
		vla_rows_close(&r);
	}
	vla_intern_release(&known);
	return s;
}

// Leaves out pictures that could not be read, and their texts.
static void drop(vla_pairs *d, const bool *readable, size_t *map)
{
	size_t k = 0, t = 0;
	for (size_t i = 0; i < d->images; i++) {
		map[i] = readable[i] ? k : SIZE_MAX;
		if (!readable[i]) {
			free(d->image[i]);
			continue;
		}
		d->image[k] = d->image[i];
		if (k != i)
			memcpy(d->iv + k * d->dim, d->iv + i * d->dim, d->dim * sizeof *d->iv);
		k++;
	}
	for (size_t i = 0; i < d->texts; i++) {
		if (map[d->of[i]] == SIZE_MAX) {
			free(d->text[i]);
			continue;
		}
		d->text[t] = d->text[i];
		d->of[t++] = map[d->of[i]];
	}
	d->images = k;
	d->texts = t;
}

static vla_status embed(vla_probe *p, bool texts, vla_pairs *d, vla_err *err)
{
	bool *readable = vla_alloc(d->images, sizeof *readable);
	size_t *map = vla_alloc(d->images, sizeof *map), dim = 0;
	vla_status s = readable && map ? vla_embed_files(p, d->image, NULL, d->images, &d->iv, &d->dim, readable, err)
				       : vla_nomem(err);
	if (s == VLA_OK) {
		drop(d, readable, map);
		if (texts)
			s = vla_embed_strings(p, d->text, d->texts, &d->tv, &dim, err);
	}
	if (s == VLA_OK && texts && d->texts && dim != d->dim)
		s = vla_fail(err, VLA_EINVAL, "pictures have vectors of %zu numbers, texts of %zu", d->dim, dim);
	free(readable);
	free(map);
	return s;
}

// Two streams alone: texts go with the picture of their id, or row by row when the ids have nothing in common.
static vla_status join_streams(vla_probe *p, vla_pairs *d, vla_err *err)
{
	vla_matrix *im = NULL, *tx = NULL;
	vla_intern known = { 0 };
	vla_status s = vla_matrix_open(p->o->images, &im, err);
	if (s == VLA_OK)
		s = vla_matrix_open(p->o->texts, &tx, err);
	if (s == VLA_OK)
		s = vla_header_fits(vla_matrix_header(im), vla_matrix_header(tx), err);
	size_t n = s == VLA_OK ? vla_matrix_rows(im) : 0, m = s == VLA_OK ? vla_matrix_rows(tx) : 0, met = 0;
	for (size_t i = 0; i < n && s == VLA_OK; i++) {
		uint32_t at;
		s = vla_intern_add(&known, vla_matrix_id(im, i), &at, err);
		if (s == VLA_OK && at != i)
			s = vla_fail(err, VLA_EINVAL, "'%s': id '%.60s' occurs twice", p->o->images,
				     vla_matrix_id(im, i));
		if (s == VLA_OK)
			s = grow(&d->image, &d->images_cap, i, sizeof *d->image, err);
		if (s == VLA_OK && (d->image[i] = vla_strdup(vla_matrix_id(im, i))))
			d->images++;
		else if (s == VLA_OK)
			s = vla_nomem(err);
	}
	for (size_t i = 0; i < m && s == VLA_OK; i++)
		met += vla_intern_find(&known, vla_matrix_id(tx, i)) != UINT32_MAX;
	if (s == VLA_OK && met != m && (met || n != m))
		s = vla_fail(err, VLA_EINVAL, "%zu of %zu texts have the id of a picture; give a table that pairs them",
			     met, m);
	for (size_t i = 0; i < m && s == VLA_OK; i++) {
		uint32_t at = vla_intern_find(&known, vla_matrix_id(tx, i));
		const char *caption = vla_matrix_caption(tx, i);
		s = add_text(d, caption ? caption : vla_matrix_id(tx, i), at == UINT32_MAX ? i : at, err);
	}
	d->dim = s == VLA_OK ? vla_matrix_header(im)->dim : 1;
	d->iv = vla_alloc(n, d->dim * sizeof *d->iv);
	d->tv = vla_alloc(m, d->dim * sizeof *d->tv);
	if (s == VLA_OK && (!d->iv || !d->tv))
		s = vla_nomem(err);
	for (size_t i = 0; i < n && s == VLA_OK; i++)
		vla_matrix_row(im, i, d->iv + i * d->dim);
	for (size_t i = 0; i < m && s == VLA_OK; i++)
		vla_matrix_row(tx, i, d->tv + i * d->dim);
	vla_matrix_close(im);
	vla_matrix_close(tx);
	vla_intern_release(&known);
	return s;
}

vla_status vla_pairs_open(vla_probe *p, vla_pairs *d, vla_err *err)
{
	*d = (vla_pairs){ 0 };
	if (p->o->inputs == 0) {
		if (!p->o->images || !p->o->texts)
			return vla_fail(err, VLA_EINVAL, "task %s needs a table of pictures and texts, or two streams",
					p->kind->name);
		VLA_TRY(join_streams(p, d, err));
	} else {
		VLA_TRY(read_tables(p, NULL, d, err));
		VLA_TRY(embed(p, true, d, err));
	}
	if (d->images < 2 || d->texts < 2)
		return vla_fail(err, VLA_EINVAL, "%zu pictures and %zu texts are too few", d->images, d->texts);
	return VLA_OK;
}

vla_status vla_pairs_pictures(vla_probe *p, const char *where, vla_pairs *d, vla_err *err)
{
	*d = (vla_pairs){ 0 };
	VLA_TRY(read_tables(p, where, d, err));
	VLA_TRY(embed(p, false, d, err));
	return d->images < 2 ? vla_fail(err, VLA_EINVAL, "%zu pictures of '%s' are too few", d->images, where) : VLA_OK;
}

void vla_pairs_close(vla_pairs *d)
{
	vla_texts_free(d->image, d->images);
	vla_texts_free(d->text, d->texts);
	free(d->of);
	free(d->iv);
	free(d->tv);
	*d = (vla_pairs){ 0 };
}

/* --- pictures with classes --- */

struct classes {
	vla_probe *p;
	vla_labelled *d;
	vla_intern known;
	size_t cap, label_cap;
};

static vla_status add_labelled(struct classes *c, char *path, const char *label, vla_err *err)
{
	vla_labelled *d = c->d;
	uint32_t at;
	vla_status s = path ? vla_intern_add(&c->known, label, &at, err) : vla_nomem(err);
	if (s == VLA_OK)
		s = grow(&d->path, &d->cap, d->n, sizeof *d->path, err);
	if (s == VLA_OK)
		s = grow(&d->label, &c->label_cap, d->n, sizeof *d->label, err);
	if (s != VLA_OK) {
		free(path);
		return s;
	}
	d->path[d->n] = path;
	d->label[d->n++] = at;
	return VLA_OK;
}

static vla_status read_labels(struct classes *c, const char *where, vla_err *err)
{
	vla_status s = VLA_OK;
	for (size_t i = 0; i < c->p->o->inputs && s == VLA_OK; i++) {
		vla_rows r = { 0 };
		s = vla_rows_open(c->p, c->p->o->input[i], where, &r, err);
		if (s == VLA_OK)
			s = vla_rows_need(&r, "image", err);
		if (s == VLA_OK)
			s = vla_rows_need(&r, "label", err);
		while (s == VLA_OK && (s = vla_rows_next(&r, err)) == VLA_OK) {
			const char *file = vla_rows_get(&r, "image"), *label = vla_rows_get(&r, "label");
			if (file && label)
				s = add_labelled(c, vla_rows_path(&r, file), label, err);
			else
				vla_rows_warn(&r, "no %s", file ? "label" : "picture");
		}
		s = s == VLA_EOF ? VLA_OK : s;
		vla_rows_close(&r);
	}
	return s;
}

static vla_status labels_of_stream(struct classes *c, vla_err *err)
{
	vla_matrix *m;
	vla_status s = vla_matrix_open(c->p->o->images, &m, err);
	if (s != VLA_OK)
		return vla_prefix(err, s, "cannot open '%s'", c->p->o->images);
	for (size_t i = 0; i < vla_matrix_rows(m) && s == VLA_OK; i++) {
		const char *label = vla_matrix_label(m, i);
		if (label)
			s = add_labelled(c, vla_strdup(vla_matrix_id(m, i)), label, err);
		else
			vla_probe_warn(c->p, "'%s' has no label", vla_matrix_id(m, i));
	}
	vla_matrix_close(m);
	return s;
}

static void drop_labelled(vla_labelled *d, const bool *readable)
{
	size_t k = 0, train = d->train;
	for (size_t i = 0; i < d->n; i++) {
		if (!readable[i]) {
			free(d->path[i]);
			d->train -= i < train;
			continue;
		}
		d->path[k] = d->path[i];
		d->label[k] = d->label[i];
		memmove(d->v + k * d->dim, d->v + i * d->dim, d->dim * sizeof *d->v);
		k++;
	}
	d->n = k;
}

vla_status vla_labelled_open(vla_probe *p, vla_labelled *d, vla_err *err)
{
	struct classes c = { .p = p, .d = d };
	const char *train = vla_get(p, "train"), *test = vla_get(p, "test");
	bool *readable = NULL;
	*d = (vla_labelled){ 0 };
	vla_status s = p->o->inputs   ? read_labels(&c, *train ? train : NULL, err)
		       : p->o->images ? labels_of_stream(&c, err)
				      : vla_fail(err, VLA_EINVAL, "task %s needs a table of pictures, or a stream",
						 p->kind->name);
	d->train = d->n;
	if (s == VLA_OK && *train && *test)
		s = read_labels(&c, test, err);
	else if (s == VLA_OK && *train)
		s = vla_fail(err, VLA_EINVAL, "train and test go together");
	if (s == VLA_OK)
		s = (readable = vla_alloc(d->n, sizeof *readable)) ? VLA_OK : vla_nomem(err);
	if (s == VLA_OK)
		s = vla_embed_files(p, d->path, NULL, d->n, &d->v, &d->dim, readable, err);
	if (s == VLA_OK) {
		drop_labelled(d, readable);
		d->name = c.known.text;
		d->classes = c.known.n;
		c.known.text = NULL;
		c.known.n = 0;
	}
	free(readable);
	vla_intern_release(&c.known);
	if (s == VLA_OK && (d->n < 2 || d->classes < 2))
		s = vla_fail(err, VLA_EINVAL, "%zu pictures of %zu classes are too few", d->n, d->classes);
	return s;
}

void vla_labelled_close(vla_labelled *d)
{
	vla_texts_free(d->path, d->n);
	vla_texts_free(d->name, d->classes);
	free(d->label);
	free(d->v);
	*d = (vla_labelled){ 0 };
}
