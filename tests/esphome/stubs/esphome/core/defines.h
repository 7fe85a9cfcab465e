// What ESPHome would define, for code that is tested without it.
#pragma once
#define USE_TEXTMQ_TLS
