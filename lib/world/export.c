/* The manifest in the layouts that other programs read: COCO instances and captions, referring expressions as in
 * RefCOCO, conversations as in LLaVA, and flat tables for vla-probe. One row is in memory at a time; a list is one pass
 * over the manifest. */
#include "world/set.h"

#include "io/file.h"
#include "io/json.h"
#include "io/table.h"

typedef vla_status row_fn(void *ctx, const json_t *row, uint64_t number, vla_err *err);

typedef struct job {
	const char *manifest;
	vla_json_out j;
	FILE *f;
	uint64_t next; // number of the next annotation
} job;

static vla_status flush(job *x, vla_err *err)
{
	if (x->j.status != VLA_OK)
		return vla_nomem(err);
	if (fwrite(x->j.b.data, 1, x->j.b.n, x->f) != x->j.b.n)
		return vla_fail(err, VLA_EIO, "cannot write an export");
	x->j.b.n = 0;
	return VLA_OK;
}

static vla_status each_row(job *x, row_fn *fn, vla_err *err)
{
	vla_buf line = { NULL, 0, 0 };
	FILE *f;
	VLA_TRY(vla_infile_open(x->manifest, &f, err));
	vla_status s = VLA_OK;
	for (uint64_t n = 0; s == VLA_OK; n++) {
		int c;
		line.n = 0;
		while (s == VLA_OK && (c = getc_unlocked(f)) != EOF && c != '\n') {
			char ch = (char)c;
			s = line.n < VLA_TABLE_MAX_LINE ? vla_buf_add(&line, &ch, 1, err)
							: vla_fail(err, VLA_EFORMAT, "a row is too long");
		}
		if (s != VLA_OK || !line.n)
			break;
		json_t *row;
		s = vla_json_parse(line.data, line.n, 0, &row, err);
		if (s == VLA_OK) {
			s = fn(x, row, n, err);
			json_decref(row);
		}
		if (s == VLA_OK)
			s = flush(x, err);
	}
	vla_buf_release(&line);
	vla_infile_close(f);
	return s;
}

static const char *text(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static int64_t integer(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void copy_box(vla_json_out *j, const json_t *box)
{
	double v[4];
	for (size_t i = 0; i < 4; i++)
		v[i] = json_number_value(json_array_get(box, i));
	vla_json_numbers(j, "bbox", v, 4, 0);
}

static vla_status coco_image(void *ctx, const json_t *row, uint64_t n, vla_err *err)
{
	vla_json_out *j = &((job *)ctx)->j;
	(void)err;
	vla_json_open(j, NULL, '{');
	vla_json_int(j, "id", (int64_t)n);
	vla_json_text(j, "file_name", text(row, "image"));
	vla_json_int(j, "width", integer(row, "width"));
	vla_json_int(j, "height", integer(row, "height"));
	vla_json_text(j, "split", text(row, "split"));
	vla_json_close(j, '}');
	return VLA_OK;
}

static void coco_mask(vla_json_out *j, const json_t *mask)
{
	const json_t *size = json_object_get(mask, "size");
	vla_json_open(j, "segmentation", '{');
	vla_json_numbers(
		j, "size",
		(double[]){ json_number_value(json_array_get(size, 0)), json_number_value(json_array_get(size, 1)) }, 2,
		0);
	vla_json_text(j, "counts", text(mask, "counts"));
	vla_json_close(j, '}');
}

static vla_status coco_annotations(void *ctx, const json_t *row, uint64_t n, vla_err *err)
{
	job *x = ctx;
	vla_json_out *j = &x->j;
	size_t i;
	json_t *o;
	(void)err;
	json_array_foreach(json_object_get(row, "objects"), i, o)
	{
		vla_json_open(j, NULL, '{');
		vla_json_int(j, "id", (int64_t)x->next++);
		vla_json_int(j, "image_id", (int64_t)n);
		vla_json_int(j, "category_id", vla_word_find(VLA_SHAPE, text(o, "shape") ? text(o, "shape") : "") + 1);
		copy_box(j, json_object_get(o, "box"));
		vla_json_int(j, "area", integer(o, "area"));
		vla_json_int(j, "iscrowd", 0);
		coco_mask(j, json_object_get(o, "mask"));
		vla_json_close(j, '}');
	}
	json_array_foreach(json_object_get(row, "caption"), i, o)
	{
		vla_json_open(j, NULL, '{');
		vla_json_int(j, "id", (int64_t)x->next++);
		vla_json_int(j, "image_id", (int64_t)n);
		vla_json_text(j, "caption", json_string_value(o));
		vla_json_close(j, '}');
	}
	return VLA_OK;
}

static vla_status write_coco(job *x, vla_err *err)
{
	size_t n;
	const vla_word *shape = vla_words(VLA_SHAPE, &n);
	vla_json_open(&x->j, NULL, '{');
	vla_json_open(&x->j, "categories", '[');
	for (size_t i = 0; i < n; i++) {
		vla_json_open(&x->j, NULL, '{');
		vla_json_int(&x->j, "id", (int64_t)i + 1);
		vla_json_text(&x->j, "name", shape[i].name);
		vla_json_close(&x->j, '}');
	}
	vla_json_close(&x->j, ']');
	vla_json_open(&x->j, "images", '[');
	VLA_TRY(each_row(x, coco_image, err));
	vla_json_close(&x->j, ']');
	vla_json_open(&x->j, "annotations", '[');
	VLA_TRY(each_row(x, coco_annotations, err));
	vla_json_close(&x->j, ']');
	vla_json_close(&x->j, '}');
	return VLA_OK;
}

static vla_status reference(void *ctx, const json_t *row, uint64_t n, vla_err *err)
{
	job *x = ctx;
	vla_json_out *j = &x->j;
	size_t i;
	json_t *r;
	(void)err;
	json_array_foreach(json_object_get(row, "regions"), i, r)
	{
		const char *said[] = { text(r, "phrase"), text(r, "full"), text(r, "phrase_zh") };
		const json_t *object = json_array_get(json_object_get(row, "objects"), (size_t)integer(r, "object"));
		vla_json_open(j, NULL, '{');
		vla_json_int(j, "ref_id", (int64_t)x->next++);
		vla_json_int(j, "image_id", (int64_t)n);
		vla_json_text(j, "file_name", text(row, "image"));
		vla_json_text(j, "split", text(row, "split"));
		vla_json_int(j, "ann_id", integer(r, "object"));
		vla_json_int(j, "category_id",
			     vla_word_find(VLA_SHAPE, text(object, "shape") ? text(object, "shape") : "") + 1);
		copy_box(j, json_object_get(r, "box"));
		vla_json_open(j, "sentences", '[');
		for (size_t k = 0; k < 3; k++) {
			vla_json_open(j, NULL, '{');
			vla_json_int(j, "sent_id", (int64_t)k);
			vla_json_text(j, "sent", said[k]);
			vla_json_close(j, '}');
		}
		vla_json_close(j, ']');
		vla_json_close(j, '}');
	}
	return VLA_OK;
}

static vla_status write_refs(job *x, vla_err *err)
{
	vla_json_open(&x->j, NULL, '[');
	VLA_TRY(each_row(x, reference, err));
	vla_json_close(&x->j, ']');
	return VLA_OK;
}

static void turn(vla_json_out *j, const char *from, const char *before, const char *value)
{
	char line[1200];
	snprintf(line, sizeof line, "%s%s", before, value ? value : "");
	vla_json_open(j, NULL, '{');
	vla_json_text(j, "from", from);
	vla_json_text(j, "value", line);
	vla_json_close(j, '}');
}

static vla_status conversation(void *ctx, const json_t *row, uint64_t n, vla_err *err)
{
	vla_json_out *j = &((job *)ctx)->j;
	size_t i;
	json_t *q;
	(void)err;
	for (int zh = 0; zh < 2; zh++) {
		vla_json_open(j, NULL, '{');
		char id[40];
		snprintf(id, sizeof id, "%llu%s", (unsigned long long)n, zh ? "-zh" : "");
		vla_json_text(j, "id", id);
		vla_json_text(j, "image", text(row, "image"));
		vla_json_text(j, "split", text(row, "split"));
		vla_json_open(j, "conversations", '[');
		turn(j, "human", "<image>\n", zh ? "请描述这张图片。" : "Describe the picture.");
		turn(j, "gpt", "", text(row, zh ? "long_zh" : "long"));
		json_array_foreach(json_object_get(row, "qa"), i, q)
		{
			turn(j, "human", "", text(q, zh ? "question_zh" : "question"));
			turn(j, "gpt", "", text(q, zh ? "answer_zh" : "answer"));
		}
		vla_json_close(j, ']');
		vla_json_close(j, '}');
	}
	return VLA_OK;
}

static vla_status write_conversations(job *x, vla_err *err)
{
	vla_json_open(&x->j, NULL, '[');
	VLA_TRY(each_row(x, conversation, err));
	vla_json_close(&x->j, ']');
	return VLA_OK;
}

static void probe_head(vla_json_out *j, const json_t *row, const char *group, const char *language)
{
	vla_json_open(j, NULL, '{');
	vla_json_text(j, "group", group);
	vla_json_text(j, "language", language);
	vla_json_text(j, "split", text(row, "split"));
}

static void probe_end(vla_json_out *j)
{
	vla_json_close(j, '}');
	if (j->status == VLA_OK)
		j->status = vla_buf_add(&j->b, "\n", 1, NULL);
	j->comma = false;
}

static vla_status choices(void *ctx, const json_t *row, uint64_t n, vla_err *err)
{
	vla_json_out *j = &((job *)ctx)->j;
	size_t i;
	json_t *v;
	(void)n, (void)err;
	json_array_foreach(json_object_get(row, "negatives"), i, v)
	{
		for (int zh = 0; zh < 2; zh++) {
			probe_head(j, row, text(v, "kind"), zh ? "zh" : "en");
			vla_json_text(j, "image", text(row, "image"));
			vla_json_text(j, "caption", text(v, zh ? "caption_zh" : "caption"));
			vla_json_text(j, "negative", text(v, zh ? "negative_zh" : "negative"));
			probe_end(j);
		}
	}
	return VLA_OK;
}

static vla_status pairs(void *ctx, const json_t *row, uint64_t n, vla_err *err)
{
	vla_json_out *j = &((job *)ctx)->j;
	const json_t *c = json_object_get(row, "contrast");
	(void)n, (void)err;
	for (int zh = 0; text(c, "image") && zh < 2; zh++) {
		probe_head(j, row, text(c, "differs"), zh ? "zh" : "en");
		vla_json_text(j, "image_0", text(row, "image"));
		vla_json_text(j, "image_1", text(c, "image"));
		vla_json_text(j, "caption_0", text(c, zh ? "caption_zh" : "caption"));
		vla_json_text(j, "caption_1", text(c, zh ? "contrast_caption_zh" : "contrast_caption"));
		probe_end(j);
	}
	return VLA_OK;
}

static vla_status statements(void *ctx, const json_t *row, uint64_t n, vla_err *err)
{
	vla_json_out *j = &((job *)ctx)->j;
	size_t i;
	json_t *v;
	(void)n, (void)err;
	json_array_foreach(json_object_get(row, "negations"), i, v)
	{
		for (int zh = 0; zh < 2; zh++) {
			probe_head(j, row, "negation", zh ? "zh" : "en");
			vla_json_text(j, "image", text(row, "image"));
			vla_json_text(j, "statement", text(v, zh ? "text_zh" : "text"));
			vla_json_bool(j, "answer", json_is_true(json_object_get(v, "truth")));
			probe_end(j);
		}
	}
	json_array_foreach(json_object_get(row, "qa"), i, v)
	{
		const char *a = text(v, "answer");
		if (!a || (strcmp(a, "yes") && strcmp(a, "no")))
			continue;
		for (int zh = 0; zh < 2; zh++) {
			probe_head(j, row, text(v, "type"), zh ? "zh" : "en");
			vla_json_text(j, "image", text(row, "image"));
			vla_json_text(j, "question", text(v, zh ? "question_zh" : "question"));
			vla_json_bool(j, "answer", !strcmp(a, "yes"));
			probe_end(j);
		}
	}
	return VLA_OK;
}

static vla_status write_choices(job *x, vla_err *err)
{
	return each_row(x, choices, err);
}

static vla_status write_pairs(job *x, vla_err *err)
{
	return each_row(x, pairs, err);
}

static vla_status write_statements(job *x, vla_err *err)
{
	return each_row(x, statements, err);
}

static vla_status write_one(const char *folder, const char *name, vla_status (*fn)(job *, vla_err *), vla_err *err)
{
	char *manifest = vla_format("%s/manifest.jsonl", folder), *path = vla_format("%s/%s", folder, name);
	vla_outfile *o = NULL;
	job x = { .manifest = manifest };
	vla_status s = manifest && path ? vla_outfile_open(path, &o, err) : vla_nomem(err);
	if (s == VLA_OK) {
		x.f = vla_outfile_stream(o);
		s = fn(&x, err);
	}
	if (s == VLA_OK)
		s = flush(&x, err);
	if (s == VLA_OK)
		s = vla_outfile_commit(o, err);
	vla_outfile_close(o);
	vla_buf_release(&x.j.b);
	free(manifest);
	free(path);
	return s;
}

vla_status vla_world_export(const vla_world *w, const char *folder, vla_err *err)
{
	unsigned with = w->opts.with;
	if (with & VLA_WORLD_COCO)
		VLA_TRY(write_one(folder, "coco.json", write_coco, err));
	if (with & VLA_WORLD_REFCOCO)
		VLA_TRY(write_one(folder, "refs.json", write_refs, err));
	if (with & VLA_WORLD_LLAVA)
		VLA_TRY(write_one(folder, "llava.json", write_conversations, err));
	if (!(with & VLA_WORLD_PROBES))
		return VLA_OK;
	VLA_TRY(write_one(folder, "choices.jsonl", write_choices, err));
	VLA_TRY(write_one(folder, "yesno.jsonl", write_statements, err));
	if (with & VLA_WORLD_CONTRAST)
		VLA_TRY(write_one(folder, "pairs.jsonl", write_pairs, err));
	return VLA_OK;
}
