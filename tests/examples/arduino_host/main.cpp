// What Arduino's core does with a sketch.
#include "Arduino.h"

int main() {
  setup();
  while (true)
    loop();
}
