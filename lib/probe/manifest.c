/* A table of pictures before anything is made of it: rows that cannot be read, pictures that are missing or broken,
 * boxes outside of them. One row is held at a time. */
#include "probe/probe.h"

#include <errno.h>
#include <sys/stat.h>

struct counts {
	double rows, missing, broken, outside, no_text;
};

static vla_status check_row(vla_probe *p, vla_rows *r, bool decode, struct counts *c, vla_err *err)
{
	const char *image = vla_rows_get(r, "image");
	struct stat st;
	double box[4];
	c->rows++;
	if (!vla_rows_get(r, "caption") && !vla_rows_get(r, "label"))
		c->no_text++;
	if (!image) {
		vla_rows_warn(r, "no picture");
		c->missing++;
		return VLA_OK;
	}
	char *path = vla_rows_path(r, image);
	if (!path)
		return vla_nomem(err);
	bool boxed = vla_rows_box(r, "", box);
	vla_image im = VLA_IMAGE_INIT;
	vla_err why = VLA_ERR_INIT;
	if (stat(path, &st) != 0) {
		vla_rows_warn(r, "'%s': %s", path, strerror(errno));
		c->missing++;
	} else if (decode || boxed) {
		if (vla_image_load(path, NULL, &im, &why) != VLA_OK) {
			vla_rows_warn(r, "'%s': %s", path, why.msg);
			c->broken++;
		} else if (boxed && (box[0] < 0 || box[1] < 0 || box[0] + box[2] > im.width + 0.5 ||
				     box[1] + box[3] > im.height + 0.5)) {
			vla_rows_warn(r, "box %g,%g,%g,%g is not within the %u x %u of '%s'", box[0], box[1], box[2],
				      box[3], im.width, im.height, path);
			c->outside++;
		}
	}
	vla_image_release(&im);
	free(path);
	(void)p;
	return VLA_OK;
}

static vla_status run(vla_probe *p, vla_err *err)
{
	struct counts c = { 0 };
	double bad = 0;
	bool decode = strcmp(vla_get(p, "decode"), "yes") == 0;
	vla_status s = p->o->inputs ? VLA_OK : vla_fail(err, VLA_EINVAL, "no table to check");
	for (size_t i = 0; i < p->o->inputs && s == VLA_OK; i++) {
		vla_rows r = { 0 };
		s = vla_rows_open(p, p->o->input[i], NULL, &r, err);
		if (s == VLA_OK)
			s = vla_rows_need(&r, "image", err);
		while (s == VLA_OK && (s = vla_rows_next(&r, err)) == VLA_OK)
			s = check_row(p, &r, decode, &c, err);
		bad += (double)r.bad;
		s = s == VLA_EOF ? VLA_OK : s;
		vla_rows_close(&r);
	}
	VLA_TRY(s);
	VLA_TRY(vla_emit_value(p, "all", "rows", c.rows, c.rows, err));
	VLA_TRY(vla_emit_value(p, "all", "lines with trouble", bad, c.rows, err));
	VLA_TRY(vla_emit_value(p, "all", "missing pictures", c.missing, c.rows, err));
	VLA_TRY(vla_emit_value(p, "all", "broken pictures", c.broken, c.rows, err));
	VLA_TRY(vla_emit_value(p, "all", "boxes outside", c.outside, c.rows, err));
	return vla_emit_value(p, "all", "without text or label", c.no_text, c.rows, err);
}

static const vla_probe_key keys[] = { { "decode", "no", "yes: decode each picture" }, { NULL, NULL, NULL } };
const vla_probe_kind vla_probe_manifest = { "manifest", "a table of pictures: bad lines, missing files, boxes outside",
					    run, keys };
