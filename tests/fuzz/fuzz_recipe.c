/* Fuzz target: any text as a recipe; what is read can be asked for. */
#include "train/recipe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = vla_strndup((const char *)data, size);
	vla_recipe *r = NULL;
	if (!text)
		return 0;
	vla_err err = VLA_ERR_INIT;
	if (vla_recipe_parse("a.recipe", text, NULL, 0, &r, &err) == VLA_OK) {
		for (const vla_recipe_row *k = vla_recipe_rows; k->section; k++)
			if (k->type == VLA_ROW_NUMBER || k->type == VLA_ROW_INT)
				(void)vla_recipe_number(r, k->section, vla_recipe_section(r, k->section, 0), k->name);
		(void)vla_recipe_hash(r);
	}
	vla_recipe_free(r);
	// The same bytes as an override.
	const char *set = text;
	if (vla_recipe_parse("a.recipe", "[stage a]\n[data d]\n", &set, 1, &r, &err) == VLA_OK)
		vla_recipe_free(r);
	free(text);
	return 0;
}
