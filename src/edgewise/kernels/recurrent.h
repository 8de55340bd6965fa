/* The cell of the recurrent layers, and the steps that go through it, whatever the weights of the
 * products are: recurrent.c, recurrent_h8.c. */
#ifndef EW_RECURRENT_H
#define EW_RECURRENT_H
#include "kernel.h"
#include "math.h"

/* y = function(y), the tail through a vector of its own. */
#define DEFINE_MAP(name, function)                                                                 \
    static void name(float *y, uint32_t n) {                                                       \
        float rest[EW_LANES] = {0};                                                                \
        uint32_t i = 0;                                                                            \
        for (; i + EW_LANES <= n; i += EW_LANES) v_store_f32(y + i, function(v_load_f32(y + i)));  \
        for (uint32_t k = i; k < n; k++) rest[k - i] = y[k];                                       \
        v_store_f32(rest, function(v_load_f32(rest)));                                             \
        for (uint32_t k = i; k < n; k++) y[k] = rest[k - i];                                       \
    }
DEFINE_MAP(logistic, v_logistic)
DEFINE_MAP(hyperbolic_tangent, v_tanh)

static void activate(const ew_recurrent *p, float *y, uint32_t n) {
    if (p->is_tanh)
        hyperbolic_tangent(y, n);
    else
        for (uint32_t i = 0; i < n; i++) y[i] = ew_clamp_f32(y[i], p->low_f32, p->high_f32);
}

static void clip(float *y, uint32_t n, float limit) {
    if (limit > 0.0f)
        for (uint32_t i = 0; i < n; i++) y[i] = ew_clamp_f32(y[i], -limit, limit);
}

/* Layer normalisation of one gate: (g - mean) / sqrt(variance + 1e-8) * norm. */
static void normalize(float *g, const float *norm, uint32_t n) {
    float mean = 0.0f, variance = 0.0f;
    for (uint32_t i = 0; i < n; i++) mean += g[i];
    mean /= (float)n;
    for (uint32_t i = 0; i < n; i++) variance += (g[i] - mean) * (g[i] - mean);
    float scale = 1.0f / ew_sqrt_f32(variance / (float)n + 1e-8f);
    for (uint32_t i = 0; i < n; i++) g[i] = norm[i] * ((g[i] - mean) * scale);
}

/* The constant vectors of a cell, and where they stand (see params.h). 0: none. */
typedef struct {
    const float *bias, *peephole, *norm;
} cell_vectors;

static cell_vectors vectors_of(const ew_recurrent *p, const float *vectors) {
    cell_vectors v = {.bias = vectors};
    vectors += (size_t)p->gates * p->cells;
    if (p->has_peephole) {
        v.peephole = vectors;
        vectors += (size_t)3 * p->cells;
    }
    if (p->has_norm) v.norm = vectors;
    return v;
}

/* What stands between the products of gate `gate` and its activation. `peephole` is the number of
 * the gate's vector there, or NO_PEEPHOLE. */
enum { PEEPHOLE_INPUT, PEEPHOLE_FORGET, PEEPHOLE_OUTPUT, NO_PEEPHOLE };
static void finish_gate(const ew_recurrent *p, const cell_vectors *v, float *g, uint32_t gate,
                        uint32_t peephole, const float *c) {
    uint32_t n = p->cells;
    const float *bias = v->bias + (size_t)gate * n;
    if (v->peephole && peephole != NO_PEEPHOLE) {
        const float *factor = v->peephole + (size_t)peephole * n;
        for (uint32_t i = 0; i < n; i++) g[i] += factor[i] * c[i];
    }
    if (v->norm) normalize(g, v->norm + (size_t)gate * n, n);
    for (uint32_t i = 0; i < n; i++) g[i] += bias[i];
}

/* One step of one sequence: from the products of the gates, g, to the hidden value, in the place of
 * the output gate. */
static float *step_cell(const ew_recurrent *p, float *g, const float *vectors, float *c) {
    uint32_t n = p->cells, forget = p->gates - 3;
    float *f = g + (size_t)forget * n, *z = f + n, *o = z + n;
    cell_vectors v = vectors_of(p, vectors);
    finish_gate(p, &v, f, forget, PEEPHOLE_FORGET, c);
    logistic(f, n);
    finish_gate(p, &v, z, forget + 1, NO_PEEPHOLE, c);
    activate(p, z, n);
    if (forget) {
        finish_gate(p, &v, g, 0, PEEPHOLE_INPUT, c);
        logistic(g, n);
        for (uint32_t i = 0; i < n; i++) c[i] = f[i] * c[i] + g[i] * z[i];
    } else {
        for (uint32_t i = 0; i < n; i++) c[i] = f[i] * c[i] + (1.0f - f[i]) * z[i];
    }
    clip(c, n, p->cell_clip);
    finish_gate(p, &v, o, forget + 2, PEEPHOLE_OUTPUT, c);
    logistic(o, n);
    for (uint32_t i = 0; i < n; i++) z[i] = c[i];
    activate(p, z, n);
    for (uint32_t i = 0; i < n; i++) o[i] *= z[i];
    return o;
}

/* y += x times the recurrent weights; y = x times those of the projection, plus its bias: y has room
 * for EW_RECURRENT_PANEL more elements. `layer` is what the caller keeps its weights in. */
typedef void ew_recurrent_product(const ew_recurrent *p, const void *layer, const float *x,
                                  float *y);

/* What a recurrence reads and writes besides weights (see params.h). */
typedef struct {
    const float *x, *vectors;
    float *h, *c, *y;
    float *gates, *projected; /* scratch */
} ew_sequence;

/* All steps of all sequences. */
EW_INLINE void ew_run_steps(const ew_recurrent *p, const ew_sequence *s, const void *layer,
                            ew_recurrent_product *add_hidden, ew_recurrent_product *project) {
    const uint32_t columns = p->gates * p->cells;
    const size_t bytes = p->outputs * sizeof(float);
    float *g = s->gates;
    for (uint32_t i = 0; i < p->time * p->batch; i++) {
        uint32_t b = i % p->batch, t = i / p->batch;
        if (p->is_backward) t = p->time - 1 - t;
        size_t row = p->is_time_major ? (size_t)t * p->batch + b : (size_t)b * p->time + t;
        float *h = s->h + (size_t)b * p->outputs, *found = g;
        float *y = s->y + row * p->y_stride + p->y_offset;
        ew_copy((uint8_t *)g, (const uint8_t *)(s->x + row * columns), columns * sizeof *g);
        add_hidden(p, layer, h, g);
        if (p->gates == 1) {
            for (uint32_t k = 0; k < columns; k++) g[k] += s->vectors[k];
            activate(p, g, columns);
        } else {
            found = step_cell(p, g, s->vectors, s->c + (size_t)b * p->cells);
        }
        if (p->has_projection) {
            project(p, layer, found, s->projected);
            found = s->projected;
            clip(found, p->outputs, p->proj_clip);
        }
        ew_copy((uint8_t *)h, (const uint8_t *)found, bytes);
        ew_copy((uint8_t *)y, (const uint8_t *)found, bytes);
    }
}
#endif
