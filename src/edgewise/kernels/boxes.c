/* Boxes that overlap better ones are left out: NON_MAX_SUPPRESSION_V4 and V5, and what stands at
 * the end of SSD networks (TFLite_Detection_PostProcess). One tile: every choice depends on those
 * before it. Candidates wait in a heap, so what is never asked for is never sorted. */
#include "kernel.h"
#include "math.h"

/* A candidate; `begin`: chosen boxes it has been compared with. */
typedef struct {
    float score;
    uint32_t box, begin;
} candidate;

/* By falling score, of equal ones the first. */
static int is_before(const candidate *a, const candidate *b) {
    return a->score > b->score || (a->score == b->score && a->box < b->box);
}

static void sift_down(candidate *heap, uint32_t n, uint32_t at) {
    candidate moved = heap[at];
    for (uint32_t child; (child = 2 * at + 1) < n; at = child) {
        child += child + 1 < n && is_before(&heap[child + 1], &heap[child]);
        if (!is_before(&heap[child], &moved)) break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

static candidate pop(candidate *heap, uint32_t *n) {
    candidate first = heap[0];
    heap[0] = heap[--*n];
    if (*n) sift_down(heap, *n, 0);
    return first;
}

static void push(candidate *heap, uint32_t *n, candidate added) {
    uint32_t at = (*n)++;
    for (; at && is_before(&added, &heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = added;
}

static void make_heap(candidate *heap, uint32_t n) {
    for (uint32_t at = n / 2; at-- > 0;) sift_down(heap, n, at);
}

/* NaN wins, as in NumPy. */
static float lower(float a, float b) { return a < b || a != a ? a : b; }
static float higher(float a, float b) { return a > b || a != a ? a : b; }

/* Intersection over union of boxes of two opposite corners; 0 where one has no area. */
static float overlap(const float *a, const float *b) {
    float a_area = 1.0f, b_area = 1.0f, shared = 1.0f;
    for (uint32_t d = 0; d < 2; d++) {
        float a_low = lower(a[d], a[d + 2]), a_high = higher(a[d], a[d + 2]);
        float b_low = lower(b[d], b[d + 2]), b_high = higher(b[d], b[d + 2]);
        a_area *= a_high - a_low, b_area *= b_high - b_low;
        shared *= higher(lower(a_high, b_high) - higher(a_low, b_low), 0.0f);
    }
    if (a_area <= 0.0f || b_area <= 0.0f) return 0.0f;
    return shared / (a_area + b_area - shared);
}

static float exponential(float x) {
    float lanes[EW_LANES];
    v_store_f32(lanes, v_exp(v_splat_f32(x)));
    return lanes[0];
}

EW_DEFINE(non_max_suppression_f32) {
    const ew_non_max_suppression *p = params;
    const float *boxes = operand[0], *scores = operand[1];
    const float most = *(const float *)operand[2], least = *(const float *)operand[3];
    float sigma = p->is_soft ? *(const float *)operand[4] : 0.0f;
    float falloff = sigma > 0.0f ? -0.5f / sigma : 0.0f;
    int32_t *indices = operand[4 + p->is_soft], *valid = operand[5 + 2 * p->is_soft];
    float *kept = p->is_soft ? operand[6] : 0;
    candidate *heap = scratch;
    uint32_t waiting = 0, chosen = 0;
    EW_UNUSED(tile_begin), EW_UNUSED(tile_end);
    for (uint32_t i = 0; i < p->boxes; i++)
        if (scores[i] > least) heap[waiting++] = (candidate){scores[i], i, 0};
    make_heap(heap, waiting);
    while (waiting && chosen < p->size) {
        candidate c = pop(heap, &waiting);
        float score = c.score;
        int is_out = 0;
        for (uint32_t j = chosen; j-- > c.begin;) {
            float shared = overlap(boxes + 4 * c.box, boxes + 4 * (size_t)indices[j]);
            is_out = shared >= most;
            if (is_out) break;
            float exponent = falloff * shared * shared; /* NaN also where nothing falls off */
            if (exponent != 0.0f) score *= exponential(exponent);
            if (score <= least) break;
        }
        if (is_out) continue;
        if (score == c.score) {
            if (kept) kept[chosen] = score;
            indices[chosen++] = (int32_t)c.box;
        } else if (score > least) {
            push(heap, &waiting, (candidate){score, c.box, chosen});
        }
    }
    for (uint32_t i = chosen; i < p->size; i++) {
        indices[i] = 0;
        if (kept) kept[i] = 0.0f;
    }
    *valid = (int32_t)chosen;
}

/* -- SSD networks --------------------------------------------------------------------------- */

static float number_at(const void *x, size_t i, uint32_t is_stored, float zero, float scale) {
    if (is_stored) return ((float)((const uint8_t *)x)[i] - zero) * scale;
    return ((const float *)x)[i];
}

static float score_of(const ew_detection *p, const void *scores, uint32_t box, uint32_t class) {
    size_t i = (size_t)box * p->columns + (p->columns - p->classes) + class;
    return number_at(scores, i, p->is_score_stored, p->score_zero, p->score_scale);
}

/* Corners [boxes, 4] (ymin, xmin, ymax, xmax); whether one is turned inside out. */
static int decode(const ew_detection *p, const void *encodings, const float *anchors,
                  float *corners) {
    int is_turned = 0;
    for (uint32_t i = 0; i < p->boxes; i++, anchors += 4, corners += 4) {
        double e[4];
        for (uint32_t d = 0; d < 4; d++)
            e[d] = (double)number_at(encodings, (size_t)i * p->width + d, p->is_box_stored,
                                     p->box_zero, p->box_scale) /
                   (double)p->scale[d];
        for (uint32_t d = 0; d < 2; d++) {
            double side = (double)anchors[d + 2];
            float centre = (float)(e[d] * side + (double)anchors[d]);
            float half = (float)(0.5 * ew_exp_f64(e[d + 2]) * side);
            corners[d] = centre - half, corners[d + 2] = centre + half;
            is_turned |= corners[d] > corners[d + 2];
        }
    }
    return is_turned;
}

/* At most `most` boxes of the heap by falling score, none of which overlaps a better one. */
static uint32_t suppress(const ew_detection *p, const float *corners, candidate *heap, uint32_t n,
                         candidate *chosen, uint32_t most) {
    uint32_t count = 0;
    make_heap(heap, n);
    while (n && count < most) {
        candidate c = pop(heap, &n);
        int is_out = 0;
        for (uint32_t j = 0; j < count && !is_out; j++)
            is_out = overlap(corners + 4 * c.box, corners + 4 * chosen[j].box) > p->overlap;
        if (!is_out) chosen[count++] = c;
    }
    return count;
}

static uint32_t candidates(const ew_detection *p, const void *scores, uint32_t class,
                           candidate *heap) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->boxes; i++) {
        float score = score_of(p, scores, i, class);
        if (score >= p->least) heap[n++] = (candidate){score, i, class};
    }
    return n;
}

/* Each class for itself; the best of all are kept, `begin` has their class. */
static uint32_t find_regular(const ew_detection *p, const void *scores, const float *corners,
                             candidate *heap, candidate *chosen, candidate *kept) {
    uint32_t count = 0;
    for (uint32_t class = 0; class < p->classes; class++) {
        uint32_t n = candidates(p, scores, class, heap);
        n = suppress(p, corners, heap, n, chosen, ew_min_u32(p->per_class, p->boxes));
        for (uint32_t i = 0; i < n; i++) {
            uint32_t at = count;
            while (at && kept[at - 1].score < chosen[i].score) at--;
            if (at == p->most) break; /* and so are those behind it */
            count += count < p->most;
            for (uint32_t k = count - 1; k > at; k--) kept[k] = kept[k - 1];
            kept[at] = chosen[i];
        }
    }
    return count;
}

/* Is score a better than b, which came first? NaN is the worst. */
static int is_better(float a, float b) { return a > b || (b != b && a == a); }

/* The first of the best scores of a box, with its class, where it is at least `least`. */
static int best_class(const ew_detection *p, const void *scores, uint32_t box, candidate *found) {
    size_t first = (size_t)box * p->columns + (p->columns - p->classes);
    uint32_t n = p->classes, i = 0, class = 0;
    if (p->is_score_stored) {
        const uint8_t *row = (const uint8_t *)scores + first;
        uint8_t most = 0;
        for (; i < n; i++) most = row[i] > most ? row[i] : most;
        found->score = ((float)most - p->score_zero) * p->score_scale;
        if (!(found->score >= p->least)) return 0;
        while (class < n && row[class] != most) class++;
    } else {
        const float *row = (const float *)scores + first;
        float lanes[EW_LANES], most = -__builtin_inff();
        v_f32 largest = v_splat_f32(most);
        for (; i + EW_LANES <= n; i += EW_LANES) largest = v_max(v_load_f32(row + i), largest);
        v_store_f32(lanes, largest);
        for (uint32_t k = 0; k < EW_LANES; k++) most = lanes[k] > most ? lanes[k] : most;
        for (; i < n; i++) most = row[i] > most ? row[i] : most;
        found->score = most;
        if (!(most >= p->least)) return 0;
        while (class < n && row[class] != most) class++;
    }
    found->box = box, found->begin = class;
    return class < n;
}

static uint32_t find_fast(const ew_detection *p, const void *scores, const float *corners,
                          candidate *heap, candidate *chosen) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->boxes; i++)
        if (best_class(p, scores, i, &heap[n])) n++;
    return suppress(p, corners, heap, n, chosen, ew_min_u32(p->most, p->boxes));
}

EW_DEFINE(detection_postprocess) {
    const ew_detection *p = params;
    const void *scores = operand[1];
    float *boxes = operand[3], *classes = operand[4], *best = operand[5], *count = operand[6];
    uint32_t *is_refused = scratch;
    float *corners = (float *)scratch + 4;
    candidate *heap = (candidate *)(corners + 4 * (size_t)p->boxes);
    candidate *chosen = heap + p->boxes, *kept = chosen + p->boxes;
    uint32_t each = ew_min_u32(p->most_classes, p->classes), found;
    EW_UNUSED(tile_begin), EW_UNUSED(tile_end);
    if (decode(p, operand[0], operand[2], corners)) {
        *is_refused = 1;
        return;
    }
    for (size_t i = 0; i < (size_t)p->most * p->most_classes; i++) {
        classes[i] = best[i] = 0.0f;
        for (uint32_t d = 0; d < 4; d++) boxes[4 * i + d] = 0.0f;
    }
    if (p->is_regular) {
        found = find_regular(p, scores, corners, heap, chosen, kept);
        for (uint32_t i = 0; i < found; i++) {
            for (uint32_t d = 0; d < 4; d++) boxes[4 * i + d] = corners[4 * kept[i].box + d];
            classes[i] = (float)kept[i].begin, best[i] = kept[i].score;
        }
        *count = (float)found;
        return;
    }
    found = find_fast(p, scores, corners, heap, chosen);
    for (uint32_t i = 0; i < found; i++) {
        float *y = boxes + 4 * (size_t)i * p->most_classes, *c = classes + i * p->most_classes;
        float *s = best + i * p->most_classes;
        uint32_t box = chosen[i].box, n = 0;
        for (uint32_t class = 0; class < p->classes; class++) { /* the best ones, inserted */
            float score = score_of(p, scores, box, class);
            if (n == each && !is_better(score, s[n - 1])) continue;
            uint32_t at = n < each ? n++ : n - 1;
            for (; at && is_better(score, s[at - 1]); at--) s[at] = s[at - 1], c[at] = c[at - 1];
            s[at] = score, c[at] = (float)class;
        }
        for (uint32_t k = 0; k < n; k++, y += 4)
            for (uint32_t d = 0; d < 4; d++) y[d] = corners[4 * (size_t)box + d];
    }
    *count = (float)found;
}
