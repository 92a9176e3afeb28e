/* Walks over pictures. */
#include "common/pictures.h"
#include "common/diag.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

// A larger member is not taken for a picture.
static const uint64_t max_member = (uint64_t)1 << 30;

static const char *const endings[] = { ".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".pnm", NULL };
static const char *const found[] = { ".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".pnm", ".tar", NULL };

static char *copy(const char *s)
{
	char *p = strdup(s);
	if (!p)
		die("out of memory");
	return p;
}

static bool ends_in(const char *name, const char *ending)
{
	size_t n = strlen(name), k = strlen(ending);
	return n > k && strcasecmp(name + n - k, ending) == 0;
}

void pictures_init(struct pictures *p, char *const *operand, int n, const struct opt_common *com)
{
	*p = (struct pictures){ .name = "-", .image = VLA_IMAGE_OPTS_INIT };
	inputs_init(&p->in, operand, n, com);
	p->in.endings = found;
}

void pictures_shard(struct pictures *p, const char *text)
{
	const char *slash = strchr(text, '/');
	char first[16] = "";
	uint64_t i, n;
	if (slash && slash - text < (long)sizeof first)
		memcpy(first, text, (size_t)(slash - text));
	if (!slash || !parse_u64(first, 1000000, &i) || !parse_u64(slash + 1, 1000000, &n) || i < 1 || i > n)
		usage_error("--shard wants I/N with 1 <= I <= N, not '%s'", text);
	p->shard = (unsigned)i - 1;
	p->shards = (unsigned)n;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void pictures_pass_over(struct pictures *p, const char *stream)
{
	vla_err err = VLA_ERR_INIT;
	vla_reader *r;
	vla_rec rec = VLA_REC_INIT;
	vla_status s = vla_reader_open(stream, &r, &err);
	size_t cap = 0;
	if (s != VLA_OK)
		die("%s", err.msg);
	while ((s = vla_reader_next(r, &rec, &err)) == VLA_OK) {
		if (p->nknown == cap) {
			cap = cap ? cap * 2 : 1024;
			p->known = realloc(p->known, cap * sizeof *p->known);
			if (!p->known)
				die("out of memory");
		}
		p->known[p->nknown++] = copy(rec.id);
	}
	if (s != VLA_EOF)
		die("cannot read '%s': %s", stream, err.msg);
	if (p->nknown)
		qsort(p->known, p->nknown, sizeof *p->known, by_text);
	vla_rec_release(&rec);
	vla_reader_close(r);
}

// Whether the picture at the next position is to be taken; counts it.
static bool wanted(struct pictures *p, const char *id)
{
	bool mine = !p->shards || p->position % p->shards == p->shard;
	p->position++;
	if (!mine || !p->nknown)
		return mine;
	if (!bsearch(&id, p->known, p->nknown, sizeof *p->known, by_text))
		return true;
	p->passed_over++;
	return false;
}

static void open_archive(struct pictures *p, const char *path)
{
	vla_err err = VLA_ERR_INIT;
	if (vla_tar_open(path, &p->archive, &err) != VLA_OK)
		warn("%s", err.msg);
	else
		p->archive_name = copy(path);
}

static void close_archive(struct pictures *p)
{
	vla_tar_close(p->archive);
	free(p->archive_name);
	p->archive = NULL;
	p->archive_name = NULL;
}

static bool is_picture(const char *name)
{
	for (size_t i = 0; endings[i]; i++)
		if (ends_in(name, endings[i]))
			return true;
	return false;
}

// The next member to take; false at the end of the archive.
static bool next_member(struct pictures *p, vla_picture *out)
{
	vla_err err = VLA_ERR_INIT;
	vla_tar_member m;
	vla_status s;
	while ((s = vla_tar_next(p->archive, &m, &err)) == VLA_OK) {
		if (!is_picture(m.name) || !wanted(p, m.name))
			continue;
		if (m.size > max_member) {
			warn("'%s' in '%s' is too large for a picture", m.name, p->archive_name);
			continue;
		}
		out->bytes = malloc(m.size ? (size_t)m.size : 1);
		if (!out->bytes)
			die("out of memory");
		s = vla_tar_read(p->archive, out->bytes, &err);
		if (s != VLA_OK)
			break;
		out->nbytes = (size_t)m.size;
		out->id = copy(m.name);
		return true;
	}
	if (s != VLA_EOF)
		warn("cannot read '%s': %s", p->archive_name, err.msg);
	vla_picture_release(out);
	close_archive(p);
	return false;
}

static void name_frame(struct pictures *p, vla_picture *out)
{
	size_t n = strlen(p->name) + 80;
	out->id = malloc(n);
	if (!out->id)
		die("out of memory");
	if (p->fps > 0) {
		out->timed = true;
		out->time[0] = (double)p->frame / p->fps;
		out->time[1] = (double)(p->frame + 1) / p->fps;
		snprintf(out->id, n, "%s#t=%.6g,%.6g", p->name, out->time[0], out->time[1]);
	} else {
		snprintf(out->id, n, "%s#%llu", p->name, p->frame + 1);
	}
	p->frame++;
}

// The next frame to take; false at the end of standard input.
static bool next_frame(struct pictures *p, vla_picture *out)
{
	vla_err err = VLA_ERR_INIT;
	vla_status s;
	while ((s = vla_image_next(stdin, &p->image, &out->image, &err)) == VLA_OK) {
		name_frame(p, out);
		if (wanted(p, out->id))
			return true;
		vla_picture_release(out);
	}
	if (s != VLA_EOF)
		warn("picture %llu on standard input: %s", p->frame + 1, err.msg);
	else if (p->frame == 0)
		warn("standard input holds no picture");
	vla_picture_release(out);
	p->frames = false;
	return false;
}

vla_status pictures_next(void *ctx, vla_picture *out, vla_err *err)
{
	struct pictures *p = ctx;
	(void)err;
	for (;;) {
		if (p->archive && next_member(p, out))
			return VLA_OK;
		if (p->frames && next_frame(p, out))
			return VLA_OK;
		const char *path = inputs_next(&p->in);
		if (!path)
			return VLA_EOF;
		if (p->tar || ends_in(path, ".tar")) {
			open_archive(p, path);
		} else if (strcmp(path, "-") == 0) {
			p->frames = true;
			p->frame = 0;
		} else if (wanted(p, path)) {
			out->path = copy(path);
			return VLA_OK;
		}
	}
}

void pictures_release(struct pictures *p)
{
	close_archive(p);
	for (size_t i = 0; i < p->nknown; i++)
		free(p->known[i]);
	free(p->known);
	p->known = NULL;
	p->nknown = 0;
	inputs_release(&p->in);
}
