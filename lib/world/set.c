/* Data sets as folders and tar archives. Items are made by all threads, a chunk at a time, and written in order. A
 * folder grows beside its name: `state` in it says how much of the manifest is sound, and what the options were. */
#include "world/set.h"

#include "io/file.h"
#include "io/tar_out.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 128 };

typedef struct writer {
	const vla_world *w;
	const char *folder; // NULL: to a tar archive
	FILE *f;            // manifest or archive
	uint64_t first, count;
	vla_world_item *item; // [CHUNK]
	vla_status *status;   // [CHUNK]
	vla_err *why;         // [CHUNK]
} writer;

static vla_status fail_path(vla_err *err, const char *what, const char *path)
{
	return vla_fail(err, VLA_EIO, "cannot %s '%s': %s", what, path, strerror(errno));
}

static vla_status make_folders(char *path, vla_err *err)
{
	for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = 0;
		bool bad = mkdir(path, 0777) != 0 && errno != EEXIST;
		if (bad)
			fail_path(err, "create", path);
		*p = '/';
		if (bad)
			return VLA_EIO;
	}
	return VLA_OK;
}

// One of the many files of a set; they are not synced one by one.
static vla_status write_file(const char *folder, const vla_world_file *file, vla_err *err)
{
	char *path = vla_format("%s/%s", folder, file->name);
	if (!path)
		return vla_nomem(err);
	FILE *f = fopen(path, "wb");
	vla_status s = VLA_OK;
	if (!f && errno == ENOENT) {
		s = make_folders(path, err);
		f = s == VLA_OK ? fopen(path, "wb") : NULL;
	}
	if (s == VLA_OK) {
		bool good = f && fwrite(file->data, 1, file->n, f) == file->n;
		if (f)
			good &= fclose(f) == 0;
		if (!good)
			s = fail_path(err, "write", path);
	}
	free(path);
	return s;
}

static void make_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	writer *x = ctx;
	(void)worker;
	for (size_t k = begin; k < end; k++) {
		vla_world_item *item = &x->item[k];
		x->status[k] = vla_world_make(x->w, x->first + k, item, &x->why[k]);
		for (size_t i = 0; x->folder && x->status[k] == VLA_OK && i < item->files; i++)
			x->status[k] = write_file(x->folder, &item->file[i], &x->why[k]);
	}
}

static vla_status put_item(const writer *x, const vla_world_item *item, uint64_t i, vla_err *err)
{
	if (x->folder) {
		if (fwrite(item->row, 1, item->row_bytes, x->f) != item->row_bytes || putc('\n', x->f) == EOF)
			return fail_path(err, "write into", x->folder);
		return VLA_OK;
	}
	char name[VLA_ITEM_NAME];
	vla_item_name(name, sizeof name, "images", i, ".json");
	for (size_t k = 0; k < item->files; k++)
		VLA_TRY(vla_tar_put(x->f, item->file[k].name, item->file[k].data, item->file[k].n, err));
	return vla_tar_put(x->f, name, item->row, item->row_bytes, err);
}

static vla_status write_chunk(writer *x, vla_pool *pool, vla_err *err)
{
	vla_status s = VLA_OK;
	vla_parallel(pool, x->count, 1, make_range, x);
	for (size_t k = 0; k < x->count && s == VLA_OK; k++) {
		s = x->status[k];
		if (s != VLA_OK)
			vla_fail(err, s, "%s", x->why[k].msg);
		else
			s = put_item(x, &x->item[k], x->first + k, err);
	}
	for (size_t k = 0; k < x->count; k++)
		vla_world_item_release(&x->item[k]);
	return s;
}

// Everything that the contents depend on.
static uint64_t fingerprint(const vla_world *w)
{
	vla_world_opts o;
	memset(&o, 0, sizeof o);
	o.kind = w->opts.kind;
	o.seed = w->opts.seed;
	o.n = w->opts.n;
	o.size = w->opts.size;
	o.level = w->opts.level;
	o.objects_min = w->opts.objects_min;
	o.objects_max = w->opts.objects_max;
	o.classes = w->opts.classes;
	o.frames = w->opts.frames;
	memcpy(o.split, w->opts.split, sizeof o.split);
	o.with = w->opts.with;
	uint64_t h = vla_hash64(&o, sizeof o, 1);
	for (size_t i = 0; i < w->nbias; i++) {
		double b[4] = { w->bias[i].split, w->bias[i].what, w->bias[i].by, w->bias[i].p };
		h = vla_hash64(b, sizeof b, h);
	}
	return h;
}

// Where an earlier call stopped.
static vla_status read_state(const writer *x, const char *state, uint64_t *done, uint64_t *bytes, vla_err *err)
{
	vla_buf b = { NULL, 0, 0 };
	unsigned long long print, d, n;
	*done = *bytes = 0;
	if (access(state, F_OK) != 0)
		return VLA_OK;
	vla_status s = vla_read_file(state, 4096, &b, err);
	if (s == VLA_OK && (sscanf(b.data, "%llx %llu %llu", &print, &d, &n) != 3 || d > x->w->opts.n))
		s = vla_fail(err, VLA_EFORMAT, "'%s' is damaged: remove the folder to begin anew", state);
	else if (s == VLA_OK && print != fingerprint(x->w))
		s = vla_fail(err, VLA_EINVAL, "'%s' was begun with other options: remove the folder to begin anew",
			     x->folder);
	if (s == VLA_OK) {
		*done = d;
		*bytes = n;
	}
	vla_buf_release(&b);
	return s;
}

static vla_status write_state(const writer *x, const char *state, uint64_t done, vla_err *err)
{
	char text[80];
	if (fflush(x->f) != 0 || fsync(fileno(x->f)) != 0)
		return fail_path(err, "write into", x->folder);
	int n = snprintf(text, sizeof text, "%016llx %llu %llu\n", (unsigned long long)fingerprint(x->w),
			 (unsigned long long)done, (unsigned long long)ftello(x->f));
	return vla_outfile_write(state, text, (size_t)n, err);
}

static vla_status write_classes(const vla_world *w, const char *folder, vla_err *err)
{
	size_t n;
	const vla_word *shape = vla_words(VLA_SHAPE, &n), *colour = vla_words(VLA_COLOUR, &n),
		       *texture = vla_words(VLA_TEXTURE, &n);
	vla_json_out j = { { NULL, 0, 0 }, VLA_OK, false };
	char text[200];
	for (uint32_t k = 0; k < w->opts.classes; k++) {
		const vla_class *c = &w->cls[k];
		const char *t = c->texture ? texture[c->texture].en[0] : "",
			   *t_zh = c->texture ? texture[c->texture].zh[0] : "";
		vla_json_open(&j, NULL, '{');
		vla_json_text(&j, "name", c->en);
		vla_json_text(&j, "name_zh", c->zh);
		snprintf(text, sizeof text, "a %s is a %s%s%s %s", c->en, t, *t ? " " : "", colour[c->colour].en[0],
			 shape[c->shape].en[0]);
		vla_json_text(&j, "description", text);
		snprintf(text, sizeof text, "%s是一个%s%s的%s", c->zh, t_zh, colour[c->colour].zh[0],
			 shape[c->shape].zh[0]);
		vla_json_text(&j, "description_zh", text);
		vla_json_text(&j, "shape", shape[c->shape].name);
		vla_json_text(&j, "colour", colour[c->colour].name);
		vla_json_text(&j, "texture", texture[c->texture].name);
		vla_json_close(&j, '}');
		if (j.status == VLA_OK)
			j.status = vla_buf_add(&j.b, "\n", 1, NULL);
		j.comma = false;
	}
	char *path = vla_format("%s/classes.jsonl", folder);
	vla_status s = path && j.status == VLA_OK ? vla_outfile_write(path, j.b.data, j.b.n, err) : vla_nomem(err);
	free(path);
	vla_buf_release(&j.b);
	return s;
}

static vla_status run(writer *x, const char *state, uint64_t done, vla_pool *pool, vla_world_progress_fn *progress,
		      void *ctx, vla_err *err)
{
	x->item = vla_zalloc(CHUNK, sizeof *x->item);
	x->status = vla_zalloc(CHUNK, sizeof *x->status);
	x->why = vla_zalloc(CHUNK, sizeof *x->why);
	vla_status s = x->item && x->status && x->why ? VLA_OK : vla_nomem(err);
	while (s == VLA_OK && done < x->w->opts.n) {
		x->first = done;
		x->count = x->w->opts.n - done < CHUNK ? x->w->opts.n - done : CHUNK;
		s = write_chunk(x, pool, err);
		done += x->count;
		if (s == VLA_OK && state && (done / CHUNK % 8 == 0 || done == x->w->opts.n))
			s = write_state(x, state, done, err);
		if (s == VLA_OK && progress && (s = progress(ctx, done, x->w->opts.n)) != VLA_OK)
			vla_fail(err, s, "stopped");
	}
	free(x->item);
	free(x->status);
	free(x->why);
	return s;
}

static vla_status write_tar(const vla_world *w, const char *path, vla_pool *pool, vla_world_progress_fn *progress,
			    void *ctx, vla_err *err)
{
	vla_outfile *o;
	writer x = { .w = w };
	if (w->opts.with & (VLA_WORLD_COCO | VLA_WORLD_REFCOCO | VLA_WORLD_LLAVA | VLA_WORLD_PROBES))
		return vla_fail(err, VLA_EINVAL,
				"coco, refcoco, llava and probes are written into folders, not into archives");
	VLA_TRY(vla_outfile_open(path, &o, err));
	x.f = vla_outfile_stream(o);
	vla_status s = run(&x, NULL, 0, pool, progress, ctx, err);
	if (s == VLA_OK)
		s = vla_tar_end(x.f, err);
	if (s == VLA_OK)
		s = vla_outfile_commit(o, err);
	vla_outfile_close(o);
	return s;
}

static vla_status fill_folder(writer *x, const char *manifest, const char *state, vla_pool *pool,
			      vla_world_progress_fn *progress, void *ctx, vla_err *err)
{
	uint64_t done, bytes;
	VLA_TRY(read_state(x, state, &done, &bytes, err));
	x->f = fopen(manifest, done ? "r+b" : "wb");
	if (!x->f)
		return fail_path(err, "open", manifest);
	vla_status s = VLA_OK;
	if (done && (ftruncate(fileno(x->f), (off_t)bytes) != 0 || fseeko(x->f, (off_t)bytes, SEEK_SET) != 0))
		s = fail_path(err, "continue", manifest);
	if (s == VLA_OK)
		s = run(x, state, done, pool, progress, ctx, err);
	if (fclose(x->f) != 0 && s == VLA_OK)
		s = fail_path(err, "write", manifest);
	if (s == VLA_OK && x->w->opts.classes)
		s = write_classes(x->w, x->folder, err);
	return s == VLA_OK ? vla_world_export(x->w, x->folder, err) : s;
}

static vla_status write_folder(const vla_world *w, const char *path, vla_pool *pool, vla_world_progress_fn *progress,
			       void *ctx, vla_err *err)
{
	char *part = vla_format("%s.part", path), *manifest = vla_format("%s.part/manifest.jsonl", path),
	     *state = vla_format("%s.part/state", path);
	writer x = { .w = w, .folder = part };
	vla_status s = part && manifest && state ? VLA_OK : vla_nomem(err);
	if (s == VLA_OK && access(path, F_OK) == 0)
		s = vla_fail(err, VLA_EINVAL, "'%s' exists", path);
	if (s == VLA_OK && mkdir(part, 0777) != 0 && errno != EEXIST)
		s = fail_path(err, "create", part);
	if (s == VLA_OK)
		s = fill_folder(&x, manifest, state, pool, progress, ctx, err);
	if (s == VLA_OK && (unlink(state) != 0 || rename(part, path) != 0))
		s = fail_path(err, "finish", part);
	free(part);
	free(manifest);
	free(state);
	return s;
}

vla_status vla_world_write(const vla_world *w, const char *path, vla_pool *pool, vla_world_progress_fn *progress,
			   void *ctx, vla_err *err)
{
	char name[4096];
	size_t n = strlen(path);
	if (!strcmp(path, "-") || (n > 4 && !strcmp(path + n - 4, ".tar")))
		return write_tar(w, path, pool, progress, ctx, err);
	while (n > 1 && path[n - 1] == '/')
		n--;
	if (!n || n >= sizeof name)
		return vla_fail(err, VLA_EINVAL, "'%.60s' cannot be the name of a folder", path);
	memcpy(name, path, n);
	name[n] = 0;
	return write_folder(w, name, pool, progress, ctx, err);
}
