/* Search results as TSV or JSON Lines. */
#include "common/results.h"

#include <vla/convert.h>

static void put_text(const struct results *r, const char *s)
{
	if (r->com->format == FORMAT_JSONL)
		vla_write_json(stdout, s);
	else if (r->com->null)
		fputs(s, stdout);
	else
		vla_write_tsv(stdout, s);
}

void results_put(struct results *r, const struct result *h)
{
	bool json = r->com->format == FORMAT_JSONL;
	fputs(json ? "{\"query\": " : "", stdout);
	put_text(r, h->query);
	printf(json ? ", \"rank\": %zu, \"score\": %.6f, \"id\": " : "\t%zu\t%.6f\t", h->rank, h->score);
	put_text(r, h->id);
	if (r->p)
		printf(json ? ", \"p\": %.3g" : "\t%.3g", h->p);
	if (h->why) {
		fputs(json ? ", \"why\": " : "\t", stdout);
		put_text(r, h->why);
	}
	if (json && h->caption) {
		fputs(", \"caption\": ", stdout);
		put_text(r, h->caption);
	}
	fputs(json ? "}" : "", stdout);
	putchar(r->com->null ? 0 : '\n');
	r->printed++;
	if (r->sheet)
		hit_sheet_add(&r->rows, h->query, h->id, h->caption, h->score);
}

void results_finish(struct results *r)
{
	if (r->rows.n)
		hit_sheet_save(&r->rows, r->sheet, r->font);
	hit_sheet_release(&r->rows);
}
