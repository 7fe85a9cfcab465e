#pragma once

#include <cstdio>

#define ESP_LOGE(tag, format, ...) fprintf(stderr, "%s: " format "\n", tag, ##__VA_ARGS__)
#define ESP_LOGD ESP_LOGE
