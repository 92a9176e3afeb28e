/* Boxes and masks against the truth: intersection over union, accuracy at thresholds (referring expressions), the
 * pointing game (Zhang et al. 2018), mean IoU over classes of label maps. */
#include "probe/probe.h"

#include "train/intern.h"

#include <math.h>

struct box {
	double at[4];
	uint32_t key, group;
	double score, px, py;
};

struct boxes {
	vla_probe *p;
	vla_intern key, group;
	vla_buf gold, guess; // struct box
};

static double iou(const double a[4], const double b[4])
{
	double w = fmin(a[0] + a[2], b[0] + b[2]) - fmax(a[0], b[0]);
	double h = fmin(a[1] + a[3], b[1] + b[3]) - fmax(a[1], b[1]);
	if (w <= 0 || h <= 0)
		return 0;
	return w * h / (a[2] * a[3] + b[2] * b[3] - w * h);
}

// Picture and phrase; the picture's name without its folders.
static char *key_of(const vla_rows *r)
{
	const char *image = vla_rows_get(r, "image"), *phrase = vla_rows_get(r, "phrase");
	if (!image)
		image = vla_rows_get(r, "id");
	if (!image)
		return NULL;
	const char *slash = strrchr(image, '/');
	return vla_format("%s\t%s", slash ? slash + 1 : image, phrase ? phrase : "");
}

static vla_status add_box(struct boxes *b, vla_rows *r, bool gold, vla_err *err)
{
	struct box one = { .score = 0 };
	char *key = key_of(r);
	const char *group = vla_rows_get(r, "group");
	if (!key || !vla_rows_box(r, "", one.at)) {
		vla_rows_warn(r, key ? "no box of positive size" : "no picture");
		free(key);
		return VLA_OK;
	}
	one.px = one.at[0] + one.at[2] / 2;
	one.py = one.at[1] + one.at[3] / 2;
	double x, y;
	if (!gold && vla_number(vla_table_get(r->t, "px"), &x) && vla_number(vla_table_get(r->t, "py"), &y)) {
		one.px = x;
		one.py = y;
	}
	vla_number(vla_rows_get(r, "score"), &one.score);
	vla_status s = vla_intern_add(&b->key, key, &one.key, err);
	free(key);
	if (s == VLA_OK)
		s = vla_intern_add(&b->group, group ? group : "all", &one.group, err);
	return s == VLA_OK ? vla_buf_add(gold ? &b->gold : &b->guess, &one, sizeof one, err) : s;
}

static vla_status read_boxes(struct boxes *b, const char *path, bool gold, vla_err *err)
{
	vla_rows r = { 0 };
	vla_status s = vla_rows_open(b->p, path, NULL, &r, err);
	while (s == VLA_OK && (s = vla_rows_next(&r, err)) == VLA_OK)
		s = add_box(b, &r, gold, err);
	vla_rows_close(&r);
	return s == VLA_EOF ? VLA_OK : s;
}

static vla_status emit_boxes(struct boxes *b, const char *name, uint32_t group, const double *overlap, const bool *hit,
			     vla_err *err)
{
	static const double cut[3] = { 0.25, 0.5, 0.75 };
	const struct box *gold = (const struct box *)(const void *)b->gold.data;
	size_t n = b->gold.n / sizeof *gold, k = 0;
	double right[3] = { 0 }, points = 0, *x = vla_alloc(n, sizeof *x);
	vla_estimate e;
	if (!x)
		return vla_nomem(err);
	for (size_t i = 0; i < n; i++) {
		if (group != UINT32_MAX && gold[i].group != group)
			continue;
		x[k++] = overlap[i];
		for (int c = 0; c < 3; c++)
			right[c] += overlap[i] >= cut[c];
		points += hit[i];
	}
	vla_status s = vla_bootstrap_ratio(k, x, NULL, b->p->draws, b->p->o->seed, &e, err);
	free(x);
	VLA_TRY(s);
	VLA_TRY(vla_emit(b->p, name, "mean IoU", e, (double)k, err));
	for (int c = 0; c < 3; c++) {
		char measure[32];
		snprintf(measure, sizeof measure, "IoU >= %.2f", cut[c]);
		VLA_TRY(vla_emit(b->p, name, measure, vla_wilson(right[c], (double)k), (double)k, err));
	}
	return vla_emit(b->p, name, "pointing", vla_wilson(points, (double)k), (double)k, err);
}

static vla_status judge(struct boxes *b, vla_err *err)
{
	const struct box *gold = (const struct box *)(const void *)b->gold.data;
	const struct box *guess = (const struct box *)(const void *)b->guess.data;
	size_t n = b->gold.n / sizeof *gold, m = b->guess.n / sizeof *guess;
	size_t *best = vla_alloc(b->key.n, sizeof *best); // the guess with the highest score of each key
	double *overlap = vla_zalloc(n, sizeof *overlap);
	bool *hit = vla_zalloc(n, sizeof *hit);
	vla_status s = best && overlap && hit ? VLA_OK : vla_nomem(err);
	for (size_t i = 0; i < b->key.n && s == VLA_OK; i++)
		best[i] = SIZE_MAX;
	for (size_t i = 0; i < m && s == VLA_OK; i++)
		if (best[guess[i].key] == SIZE_MAX || guess[i].score > guess[best[guess[i].key]].score)
			best[guess[i].key] = i;
	for (size_t i = 0; i < n && s == VLA_OK; i++) {
		if (best[gold[i].key] == SIZE_MAX)
			continue;
		const struct box *g = &guess[best[gold[i].key]];
		overlap[i] = iou(gold[i].at, g->at);
		hit[i] = g->px >= gold[i].at[0] && g->px < gold[i].at[0] + gold[i].at[2] && g->py >= gold[i].at[1] &&
			 g->py < gold[i].at[1] + gold[i].at[3];
	}
	for (size_t i = 0; i < n && s == VLA_OK; i++)
		vla_item(b->p, b->key.text[gold[i].key], b->group.text[gold[i].group], overlap[i]);
	for (uint32_t g = 0; g < b->group.n && b->group.n > 1 && s == VLA_OK; g++)
		s = emit_boxes(b, b->group.text[g], g, overlap, hit, err);
	if (s == VLA_OK)
		s = emit_boxes(b, "all", UINT32_MAX, overlap, hit, err);
	free(best);
	free(overlap);
	free(hit);
	return s;
}

static vla_status run_boxes(vla_probe *p, vla_err *err)
{
	struct boxes b = { .p = p };
	vla_status s = p->o->inputs == 2
			       ? read_boxes(&b, p->o->input[0], true, err)
			       : vla_fail(err, VLA_EINVAL, "task boxes takes two tables: the truth and what was found");
	size_t groups = b.group.n;
	if (s == VLA_OK)
		s = read_boxes(&b, p->o->input[1], false, err);
	if (s == VLA_OK && b.gold.n == 0)
		s = vla_fail(err, VLA_EINVAL, "'%s' has no box", p->o->input[0]);
	while (b.group.n > groups) // groups are those of the truth
		free(b.group.text[--b.group.n]);
	if (s == VLA_OK)
		s = judge(&b, err);
	vla_intern_release(&b.key);
	vla_intern_release(&b.group);
	vla_buf_release(&b.gold);
	vla_buf_release(&b.guess);
	return s;
}

const vla_probe_kind vla_probe_boxes = { "boxes", "boxes found against true ones: IoU, accuracy, pointing game",
					 run_boxes, NULL };

/* --- label maps --- */

enum { LABELS = 256 };

static vla_status add_maps(vla_rows *r, double *confusion, size_t *pictures, vla_err *err)
{
	const char *file[2] = { vla_rows_get(r, "gold"), vla_rows_get(r, "prediction") };
	vla_image im[2] = { VLA_IMAGE_INIT, VLA_IMAGE_INIT };
	vla_err why = VLA_ERR_INIT;
	bool good = file[0] && file[1];
	for (int i = 0; i < 2 && good; i++) {
		char *path = vla_rows_path(r, file[i]);
		if (!path)
			return vla_nomem(err);
		good = vla_image_load(path, NULL, &im[i], &why) == VLA_OK;
		if (!good)
			vla_rows_warn(r, "'%s': %s", path, why.msg);
		free(path);
	}
	if (!file[0] || !file[1])
		vla_rows_warn(r, "gold and prediction are not both there");
	if (good && (im[0].width != im[1].width || im[0].height != im[1].height)) {
		vla_rows_warn(r, "%u x %u against %u x %u pixels", im[0].width, im[0].height, im[1].width,
			      im[1].height);
		good = false;
	}
	if (good) {
		size_t n = (size_t)im[0].width * im[0].height;
		for (size_t i = 0; i < n; i++)
			confusion[im[0].data[i * im[0].channels] * LABELS + im[1].data[i * im[1].channels]]++;
		++*pictures;
	}
	vla_image_release(&im[0]);
	vla_image_release(&im[1]);
	return VLA_OK;
}

static vla_status emit_maps(vla_probe *p, const double *confusion, size_t pictures, int ignore, vla_err *err)
{
	double right = 0, all = 0, sum = 0, classes = 0;
	for (int pass = 0; pass < 2; pass++) {
		for (int a = 0; a < LABELS; a++) {
			double own = 0, other = 0;
			char name[16];
			if (a == ignore)
				continue;
			for (int b = 0; b < LABELS; b++) {
				own += confusion[a * LABELS + b];
				other += b != ignore ? confusion[b * LABELS + a] : 0;
			}
			double both = confusion[a * LABELS + a], x = both / (own + other - both);
			if (own <= 0)
				continue;
			if (pass == 0) {
				right += both;
				all += own;
				sum += x;
				classes++;
			} else {
				snprintf(name, sizeof name, "%d", a);
				VLA_TRY(vla_emit_value(p, name, "IoU", x, own, err));
			}
		}
		if (pass == 0) {
			VLA_TRY(vla_emit_value(p, "all", "mean IoU", sum / classes, (double)pictures, err));
			VLA_TRY(vla_emit_value(p, "all", "pixel accuracy", right / all, (double)pictures, err));
		}
	}
	return VLA_OK;
}

static vla_status run_masks(vla_probe *p, vla_err *err)
{
	double ignore, *confusion = vla_zalloc((size_t)LABELS * LABELS, sizeof *confusion);
	size_t pictures = 0;
	vla_status s = confusion ? vla_get_number(p, "ignore", -1, 255, &ignore, err) : vla_nomem(err);
	if (s == VLA_OK && p->o->inputs == 0)
		s = vla_fail(err, VLA_EINVAL, "task masks needs a table of label maps");
	for (size_t i = 0; i < p->o->inputs && s == VLA_OK; i++) {
		vla_rows r = { 0 };
		s = vla_rows_open(p, p->o->input[i], NULL, &r, err);
		while (s == VLA_OK && (s = vla_rows_next(&r, err)) == VLA_OK)
			s = add_maps(&r, confusion, &pictures, err);
		s = s == VLA_EOF ? VLA_OK : s;
		vla_rows_close(&r);
	}
	if (s == VLA_OK && pictures == 0)
		s = vla_fail(err, VLA_EINVAL, "no pair of label maps could be read");
	if (s == VLA_OK)
		s = emit_maps(p, confusion, pictures, (int)ignore, err);
	free(confusion);
	return s;
}

static const vla_probe_key mask_keys[] = { { "ignore", "-1", "label of the truth that does not count" },
					   { NULL, NULL, NULL } };
const vla_probe_kind vla_probe_masks = { "masks", "label maps against true ones: mean IoU", run_masks, mask_keys };
