/* Text towers: the mean of token vectors, and a transformer over tokens with learnt positions. Texts come ragged; the
 * transformer pads them to the longest of the batch and masks the padding, so that a text gives the same vector in any
 * company (to rounding). */
#include "nn/towers.h"

#include <math.h>

void vla_bag_init(vla_bag *t, vla_maker *mk, const char *name, size_t vocab, size_t width, bool weighted)
{
	char part[VLA_PART_NAME];
	vla_part_name(part, name, "token");
	float std = (float)(1 / sqrt((double)width));
	*t = (vla_bag){ NULL, NULL };
	t->token = vla_make(mk, VLA_FILL_NORMAL, std, part, "weight", 2, (size_t[]){ vocab, width });
	if (weighted)
		t->weight = vla_make(mk, VLA_FILL_ONE, 0, part, "importance", 2, (size_t[]){ vocab, 1 });
	if (t->weight)
		t->weight->no_decay = true;
}

static bool ids_in_range(vla_step *g, const vla_texts *texts, const vla_param *table)
{
	size_t total = texts->offset[texts->n];
	for (size_t i = 0; table && i < total; i++)
		if (texts->ids[i] >= table->dim[0]) {
			vla_nn_fail(g, VLA_EINVAL, "token %u is outside the vocabulary of %zu", texts->ids[i],
				    table->dim[0]);
			return false;
		}
	return table != NULL;
}

vla_tensor *vla_bag_forward(vla_step *g, const vla_bag *t, const vla_texts *texts)
{
	size_t total = texts->offset[texts->n];
	if (!ids_in_range(g, texts, t->token))
		return NULL;
	vla_tensor *x = vla_embedding(g, vla_use(g, t->token), texts->ids, total);
	if (t->weight) {
		// Rows times scalars: the weights lie along the last dimension of the transposed rows.
		vla_tensor *w = vla_embedding(g, vla_use(g, t->weight), texts->ids, total);
		w = vla_reshape(g, w, 1, &total);
		x = vla_transpose(g, vla_mul(g, vla_transpose(g, x, 0, 1), w), 0, 1);
	}
	return vla_segment_mean(g, x, texts->offset, texts->n);
}

void vla_textnet_init(vla_textnet *t, vla_maker *mk, const char *name, const vla_textnet_opts *o)
{
	char part[VLA_PART_NAME];
	size_t w = o->block.width;
	*t = (vla_textnet){ .o = *o };
	t->token = vla_make(mk, VLA_FILL_NORMAL, 0.02f, vla_part_name(part, name, "token"), "weight", 2,
			    (size_t[]){ o->vocab, w });
	t->position = vla_make(mk, VLA_FILL_NORMAL, 0.01f, name, "position", 2, (size_t[]){ o->positions, w });
	if (t->position)
		t->position->no_decay = true;
	vla_nn_transformer_init(&t->layers, mk, vla_part_name(part, name, "layers"), &o->block);
	vla_nn_norm_init(&t->post_norm, mk, vla_part_name(part, name, "post_norm"), w, o->block.eps);
}

void vla_textnet_release(vla_textnet *t)
{
	vla_nn_transformer_release(&t->layers);
}

static size_t longest(const vla_texts *texts)
{
	size_t max = 0;
	for (size_t i = 0; i < texts->n; i++) {
		size_t len = texts->offset[i + 1] - texts->offset[i];
		max = len > max ? len : max;
	}
	return max;
}

// Token within text i that stands for it.
static size_t pooled_token(const vla_textnet *t, const vla_texts *texts, size_t i)
{
	const uint32_t *id = texts->ids + texts->offset[i];
	size_t len = texts->offset[i + 1] - texts->offset[i], best = 0;
	switch (t->o.pool) {
	case VLA_POOL_LAST: return len ? len - 1 : 0;
	case VLA_POOL_EOS:
		while (best < len && id[best] != t->o.eos_id)
			best++;
		return best < len ? best : 0; // upstream's argmax over no match
	case VLA_POOL_MAX_ID:
		for (size_t k = 1; k < len; k++)
			if (id[k] > id[best])
				best = k;
		return best;
	default: return 0;
	}
}

// Hidden states x [n, len, width] -> [n, width], before the last norm (mean: after it).
static vla_tensor *pool(vla_step *g, const vla_textnet *t, const vla_texts *texts, vla_tensor *x)
{
	size_t n = texts->n, len = x->dim[1], total = texts->offset[n], at = 0;
	bool mean = t->o.pool == VLA_POOL_MEAN;
	uint32_t *row = vla_nn_scratch(g, mean ? total : n, sizeof *row);
	if (!row)
		return NULL;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < (mean ? texts->offset[i + 1] - texts->offset[i] : 1); k++)
			row[at++] = (uint32_t)(i * len + (mean ? k : pooled_token(t, texts, i)));
	x = vla_reshape(g, x, 2, (size_t[]){ n * len, x->dim[2] });
	x = vla_nn_norm_forward(g, &t->post_norm, vla_gather_rows(g, x, row, at));
	return mean ? vla_segment_mean(g, x, texts->offset, n) : x;
}

vla_tensor *vla_textnet_forward(vla_step *g, const vla_textnet *t, const vla_texts *texts, const vla_watch *watch)
{
	size_t n = texts->n, len = longest(texts), w = t->o.block.width;
	len = len ? len : 1;
	if (!ids_in_range(g, texts, t->token))
		return NULL;
	if (len > t->o.positions || n > UINT32_MAX / len)
		return vla_nn_fail(g, VLA_EINVAL, "a text of %zu tokens, more than %u", len, t->o.positions);
	uint32_t *ids = vla_nn_scratch(g, n * len, sizeof *ids), *lens = vla_nn_scratch(g, n, sizeof *lens);
	if (!ids || !lens)
		return NULL;
	memset(ids, 0, n * len * sizeof *ids);
	for (size_t i = 0; i < n; i++) {
		size_t k = texts->offset[i + 1] - texts->offset[i];
		memcpy(ids + i * len, texts->ids + texts->offset[i], k * sizeof *ids);
		lens[i] = k ? (uint32_t)k : 1;
	}
	vla_arena_mark mark = vla_scope_begin(g);
	vla_tensor *x = vla_embedding(g, vla_use(g, t->token), ids, n * len);
	x = vla_reshape(g, x, 3, (size_t[]){ n, len, w });
	vla_tensor *position = vla_slice(g, vla_use(g, t->position), 0, 0, len);
	x = vla_scope_end(g, mark, vla_add(g, vla_last_use(x), position));
	vla_watch_call(watch, "embeddings", -1, x);
	x = vla_nn_transformer_forward(g, &t->layers, x, t->o.causal, lens, watch);
	x = x ? pool(g, t, texts, x) : NULL;
	vla_watch_call(watch, "pooled", -1, x);
	return x;
}
