/* The losses behind the table of objectives, and the heads that some of them own. */
#ifndef VLA_TRAIN_LOSSES_H
#define VLA_TRAIN_LOSSES_H

#include "train/objective.h"

extern const vla_kind_row vla_objective_kinds[];

vla_tensor *vla_loss_contrastive(const vla_objective *o, vla_pass *p);
vla_tensor *vla_loss_distill_feature(const vla_objective *o, vla_pass *p);
vla_tensor *vla_loss_distill_logits(const vla_objective *o, vla_pass *p);
vla_tensor *vla_loss_distill_map(const vla_objective *o, vla_pass *p);
vla_tensor *vla_loss_distill_names(const vla_objective *o, vla_pass *p);
vla_tensor *vla_loss_anchor(const vla_objective *o, vla_pass *p);
vla_tensor *vla_loss_classify(const vla_objective *o, vla_pass *p);

/* A linear head from the student's width to the teacher's, where they differ or the recipe asks for it. */
vla_status vla_head_for_teacher(vla_objective *o, vla_params *heads, uint64_t seed, vla_err *err) VLA_MUST_USE;
/* To the classes of a teacher's logits, or to the width that its classifier reads. */
vla_status vla_head_for_classifier(vla_objective *o, vla_params *heads, uint64_t seed, vla_err *err) VLA_MUST_USE;
/* To the classes of the data. */
vla_status vla_head_for_classes(vla_objective *o, vla_params *heads, uint64_t seed, vla_err *err) VLA_MUST_USE;

/* Checks that the names fit the teacher's classes. */
vla_status vla_names_init(vla_objective *o, vla_params *heads, uint64_t seed, vla_err *err) VLA_MUST_USE;

/* Shared parts of a pass. */
vla_tensor *vla_pass_pooled(vla_pass *p);
vla_tensor *vla_pass_projected(vla_pass *p);
vla_tensor *vla_pass_text(vla_pass *p);
/* Rows of the pictures that o applies to; how many. 0: none, or a failure that the step holds. */
size_t vla_pass_pictures(const vla_objective *o, vla_pass *p, uint32_t **row);
/* What o's teacher says: [pictures, width], constant. */
vla_tensor *vla_pass_target(const vla_objective *o, vla_pass *p);
/* Embeddings of these pictures, not normalised: the model's, or its projection of an image teacher's output. */
vla_tensor *vla_pass_embed(const vla_objective *o, vla_pass *p, const uint32_t *row, size_t n);

#endif
