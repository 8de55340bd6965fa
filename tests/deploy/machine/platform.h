/* What the harness needs of a machine; linux.c and cortex_m.c have it. */
#include <stdint.h>

void say(const char *text);
void quit(int code);
uint32_t clock_ticks(void);
void run_harness(void);
