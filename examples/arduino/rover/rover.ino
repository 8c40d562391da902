// A rover feels the ground, 100 times per second: drives of the simulation, from flash.
// With a sensor of your own, fill x in `feel` from its driver.
#include <avr/sleep.h>
#include <ground.h>

#include "drives.h"

static ground_state state;
static float score[GROUND_OUTPUTS];
static const char *const GROUND[] = {"smooth", "rough", "step up", "step down"};

static void feel(int drive, int step, float *x) {
  memcpy_P(x, drives[drive * STEPS + step], sizeof drives[0]);
}

// The class whose softmax, summed over the steps, is largest: the rule of its training.
static int decide(const float *y) {
  float sum = 0;
  int best = 0;
  for (int k = 0; k < GROUND_OUTPUTS; k++) {
    sum += exp(y[k]);
  }
  for (int k = 0; k < GROUND_OUTPUTS; k++) {
    score[k] += exp(y[k]) / sum;
    best = score[k] > score[best] ? k : best;
  }
  return best;
}

static void travel(int drive) {
  float x[GROUND_INPUTS], y[GROUND_OUTPUTS];
  unsigned long slowest = 0;
  int best = 0;
  ground_reset(&state);
  memset(score, 0, sizeof score);
  for (int step = 0; step < STEPS; step++) {
    feel(drive, step, x);
    const unsigned long began = micros();
    ground_step(&state, x, y);
    slowest = max(slowest, micros() - began);
    best = decide(y);
  }
  Serial.print(GROUND[best]);
  for (int k = 0; k < GROUND_OUTPUTS; k++) {
    uint32_t bits;
    memcpy(&bits, &y[k], sizeof bits);
    Serial.print(' ');
    Serial.print(bits, HEX);
  }
  Serial.print(" us ");
  Serial.println(slowest);
}

void setup() {
  Serial.begin(115200);
  Serial.println(ground_self_test() == 0 ? "self-test passed" : "self-test failed");
  for (int drive = 0; drive < DRIVES; drive++) {
    travel(drive);
  }
  Serial.flush();
  noInterrupts(); // asleep without interrupts: the end, also of an emulation
  sleep_mode();
}

void loop() {}
