/* Runs as functions of CPython's own, which Python calls in a tenth of the time that a foreign
 * function takes. The library links no Python: the caller gives addresses of functions of the one
 * that is loaded. They and PyMethodDef are of its stable ABI (PEP 384), the same in all. */
#include "run.h"
#include "kernel.h"

EW_EXPORT int32_t ew_run(ew_run_state *run); /* run.c */

static ew_python python;

/* `self` is the address of a state. What `ew_run` returns: if that is not EW_RUN_done, the
 * turn is still taken, unless it was never (EW_RUN_busy). */
static void *run_again(void *self, void *unused) {
    EW_UNUSED(unused);
    ew_run_state *run = python.as_pointer(self);
    ew_turn *turn = run->turn;
    if (__atomic_exchange_n(&turn->is_taken, 1, __ATOMIC_ACQUIRE))
        return python.from_long(EW_RUN_busy);
    turn->serial += 1 + (turn->serial == UINT32_MAX); /* never 0 */
    run->serial = turn->serial;
    void *thread = run->is_brief ? 0 : python.save_thread();
    int32_t status = ew_run(run);
    if (thread) python.restore_thread(thread);
    if (status == EW_RUN_done) __atomic_store_n(&turn->is_taken, 0, __ATOMIC_RELEASE);
    return python.from_long(status);
}

/* `self` is the address of an `ew_turn`, which is taken now; 0 where it was before. */
static void *take(void *self, void *unused) {
    EW_UNUSED(unused);
    ew_turn *turn = python.as_pointer(self);
    return python.from_long(!__atomic_exchange_n(&turn->is_taken, 1, __ATOMIC_ACQUIRE));
}

/* Gives it back. */
static void *give(void *self, void *unused) {
    EW_UNUSED(unused);
    ew_turn *turn = python.as_pointer(self);
    __atomic_store_n(&turn->is_taken, 0, __ATOMIC_RELEASE);
    return python.from_long(0);
}

/* PyMethodDef. */
typedef struct {
    const char *name;
    void *(*function)(void *self, void *unused);
    int flags;
    const char *text;
} method;

enum { NO_ARGUMENTS = 4 }; /* METH_NOARGS */

static const method methods[] = {
    [EW_PYTHON_again] = {"again", run_again, NO_ARGUMENTS, 0},
    [EW_PYTHON_take] = {"take", take, NO_ARGUMENTS, 0},
    [EW_PYTHON_give] = {"give", give, NO_ARGUMENTS, 0},
};

/* The PyMethodDef of one of EW_PYTHON_...; `functions` are copied. */
EW_EXPORT const void *ew_python_method(const ew_python *functions, uint32_t which) {
    python = *functions;
    return &methods[which];
}
