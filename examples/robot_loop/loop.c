/* The robot's loop: six values of its motion sensor in, a speed out, 100 times per second.
 * A line per step on standard input; an empty line ends a drive. No heap, no threads. */
#include "ground.h"

#include <stdio.h>
#include <time.h>

#define SURE 20 /* steps before the first decision */

typedef struct robot {
    ground_state state;
    ground_score score;
    int32_t step, ground;
} robot;

static float speed_for(int32_t ground)
{
    static const float speed[GROUND_CLASSES] = {1.0f, 0.5f, 0.2f, 0.1f}; /* m/s; as in make_data.py */
    return speed[ground];
}

static void start(robot *it)
{
    ground_reset(&it->state);
    it->score = (ground_score){0};
    it->step = 0;
    it->ground = -1;
}

/* One step. Whether the robot changes its speed. */
static int hear(robot *it, const ground_input_t *x)
{
    float y[GROUND_OUTPUTS];
    const int32_t before = it->ground;
    ground_step(&it->state, x, y);
    const int32_t now = ground_decide(&it->score, y);
    it->step += 1;
    if (it->step >= SURE) {
        it->ground = now;
    }
    return it->ground != before;
}

static double seconds(void)
{
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(void)
{
    static robot it;
    char line[256];
    double slowest = 0.0;
    start(&it);
    while (fgets(line, sizeof line, stdin) != NULL) {
        float x[GROUND_INPUTS];
        if (line[0] == '\n') {
            start(&it);
            puts("stop");
            continue;
        }
        if (sscanf(line, "%f %f %f %f %f %f", x, x + 1, x + 2, x + 3, x + 4, x + 5) != GROUND_INPUTS) {
            fprintf(stderr, "not six values: %s", line);
            return 1;
        }
        const double began = seconds();
        const int changed = hear(&it, x);
        const double took = seconds() - began;
        slowest = took > slowest ? took : slowest;
        if (changed) {
            printf("%.2f s: %s, %.1f m/s\n", it.step * GROUND_DT_MS / 1000.0, ground_label(it.ground),
                (double)speed_for(it.ground));
            fflush(stdout);
        }
    }
    fprintf(stderr, "slowest step: %.0f us of %.0f\n", 1e6 * slowest, 1000.0 * GROUND_DT_MS);
    return 0;
}
