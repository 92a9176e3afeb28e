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
	if (o->types)
		t->types = vla_make(mk, VLA_FILL_NORMAL, 0.01f, name, "types", 2, (size_t[]){ o->types, w });
	if (o->long_positions) {
		size_t dim[] = { o->long_positions, w };
		t->position_first = vla_make(mk, VLA_FILL_NORMAL, 0.01f, name, "position_first", 2, dim);
		t->position_rest = vla_make(mk, VLA_FILL_NORMAL, 0.01f, name, "position_rest", 2, dim);
	}
	vla_param *tables[] = { t->position, t->types, t->position_first, t->position_rest };
	for (size_t i = 0; i < 4; i++)
		if (tables[i])
			tables[i]->no_decay = true;
	if (o->embed_norm)
		vla_nn_norm_init(&t->embed_norm, mk, vla_part_name(part, name, "embed_norm"), w, o->block.eps);
	vla_nn_transformer_init(&t->layers, mk, vla_part_name(part, name, "layers"), &o->block);
	if (!o->block.post_norm)
		vla_nn_norm_init(&t->post_norm, mk, vla_part_name(part, name, "post_norm"), w, o->block.eps);
}

void vla_textnet_release(vla_textnet *t)
{
	vla_nn_transformer_release(&t->layers);
}

uint32_t vla_textnet_positions(const vla_textnet *t, bool long_text)
{
	return long_text && t->o.long_positions ? t->o.long_positions : t->o.positions;
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

// Token within text i that stands for it; len: the padded length.
static size_t pooled_token(const vla_textnet *t, const vla_texts *texts, size_t i, size_t len)
{
	const uint32_t *id = texts->ids + texts->offset[i];
	size_t n = texts->offset[i + 1] - texts->offset[i], best = 0;
	switch (t->o.pool) {
	case VLA_POOL_LAST: return t->o.padded ? len - 1 : n ? n - 1 : 0;
	case VLA_POOL_EOS:
		while (best < n && id[best] != t->o.eos_id)
			best++;
		return best < n ? best : 0; // upstream's argmax over no match
	case VLA_POOL_MAX_ID:
		for (size_t k = 1; k < n; k++)
			if (id[k] > id[best])
				best = k;
		return best;
	default: return 0;
	}
}

static vla_tensor *last_norm(vla_step *g, const vla_textnet *t, vla_tensor *x)
{
	return t->o.block.post_norm ? x : vla_nn_norm_forward(g, &t->post_norm, x);
}

// Hidden states x [n, len, width] -> [n, width]: the mean of each text's own tokens.
static vla_tensor *mean_pool(vla_step *g, const vla_textnet *t, const vla_texts *texts, vla_tensor *x)
{
	size_t n = texts->n, total = texts->offset[n], at = 0;
	uint32_t *row = vla_nn_scratch(g, total, sizeof *row);
	if (!row || !x)
		return NULL;
	size_t len = x->dim[1];
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < texts->offset[i + 1] - texts->offset[i]; k++)
			row[at++] = (uint32_t)(i * len + k);
	x = vla_reshape(g, x, 2, (size_t[]){ n * len, x->dim[2] });
	return vla_segment_mean(g, last_norm(g, t, vla_gather_rows(g, x, row, at)), texts->offset, n);
}

// Through the layers to [n, width]; of the last layer only the tokens that stand for a text.
static vla_tensor *run_layers(vla_step *g, const vla_textnet *t, const vla_texts *texts, vla_tensor *x,
			      const uint32_t *lens, const vla_watch *watch)
{
	unsigned layers = t->layers.layers;
	bool causal = t->o.causal;
	size_t n = texts->n, len = x ? x->dim[1] : 0;
	if (t->o.pool == VLA_POOL_MEAN)
		return mean_pool(g, t, texts, vla_nn_transformer_forward(g, &t->layers, x, causal, lens, watch));
	uint32_t *row = vla_nn_scratch(g, n, sizeof *row);
	if (!row || !x)
		return NULL;
	for (size_t i = 0; i < n; i++)
		row[i] = (uint32_t)pooled_token(t, texts, i, len);
	if (layers && !watch) {
		x = vla_nn_transformer_begin(g, &t->layers, layers - 1, x, causal, lens, NULL);
		x = vla_nn_block_forward_row(g, &t->layers.block[layers - 1], x, row, causal, lens);
	} else {
		x = vla_nn_transformer_forward(g, &t->layers, x, causal, lens, watch);
		for (size_t i = 0; i < n; i++)
			row[i] += (uint32_t)(i * len);
		x = x ? vla_reshape(g, x, 2, (size_t[]){ n * len, x->dim[2] }) : NULL;
		x = vla_gather_rows(g, x, row, n);
	}
	return last_norm(g, t, x ? vla_reshape(g, x, 2, (size_t[]){ n, x->dim[x->ndim - 1] }) : NULL);
}

// Positions [len, width].
static vla_tensor *positions(vla_step *g, const vla_textnet *t, size_t len, bool long_text)
{
	if (!long_text || !t->o.long_positions)
		return vla_slice(g, vla_use(g, t->position), 0, 0, len);
	size_t keep = t->o.keep < len ? t->o.keep : len;
	vla_tensor *parts[2] = { vla_slice(g, vla_use(g, t->position_first), 0, 0, keep),
				 vla_slice(g, vla_use(g, t->position_rest), 0, keep, len - keep) };
	return vla_concat(g, parts, 2, 0);
}

static vla_tensor *embed(vla_step *g, const vla_textnet *t, const uint32_t *ids, size_t n, size_t len, bool long_text)
{
	size_t w = t->o.block.width;
	vla_tensor *position = positions(g, t, len, long_text);
	if (t->types) {
		vla_tensor *type = vla_slice(g, vla_use(g, t->types), 0, 0, 1);
		position = vla_add(g, position, vla_reshape(g, type, 1, &w));
	}
	vla_tensor *x = vla_embedding(g, vla_use(g, t->token), ids, n * len);
	x = vla_reshape(g, x, 3, (size_t[]){ n, len, w });
	x = vla_add(g, vla_last_use(x), position);
	return t->o.embed_norm ? vla_nn_norm_forward(g, &t->embed_norm, x) : x;
}

vla_tensor *vla_textnet_forward(vla_step *g, const vla_textnet *t, const vla_texts *texts, bool long_text,
				const vla_watch *watch)
{
	size_t n = texts->n, len = longest(texts);
	uint32_t most = vla_textnet_positions(t, long_text);
	if (!ids_in_range(g, texts, t->token))
		return NULL;
	if (len > most || n > UINT32_MAX / most)
		return vla_nn_fail(g, VLA_EINVAL, "a text of %zu tokens, more than %u", len, most);
	len = t->o.padded ? most : len ? len : 1;
	uint32_t *ids = vla_nn_scratch(g, n * len, sizeof *ids), *lens = vla_nn_scratch(g, n, sizeof *lens);
	if (!ids || !lens)
		return NULL;
	uint32_t pad = t->o.padded && t->o.pad_id < t->o.vocab ? t->o.pad_id : 0;
	for (size_t i = 0; i < n * len; i++)
		ids[i] = pad;
	for (size_t i = 0; i < n; i++) {
		size_t k = texts->offset[i + 1] - texts->offset[i];
		memcpy(ids + i * len, texts->ids + texts->offset[i], k * sizeof *ids);
		lens[i] = k ? (uint32_t)k : 1;
	}
	vla_arena_mark mark = vla_scope_begin(g);
	vla_tensor *x = vla_scope_end(g, mark, embed(g, t, ids, n, len, long_text));
	vla_watch_call(watch, "embeddings", -1, x);
	x = run_layers(g, t, texts, x, t->o.padded ? NULL : lens, watch);
	vla_watch_call(watch, "pooled", -1, x);
	return x;
}
