#include "entities.h"

#ifdef USE_TEXTMQ_ENTITIES

#include "esphome/core/log.h"

#include <cstdio>

namespace esphome::textmq {

static const char *const TAG = "textmq.entities";

static constexpr std::string_view ON = "ON";
static constexpr std::string_view OFF = "OFF";

// ---- the kinds

[[maybe_unused]] static void put_number(wire::Writer &writer, std::string_view key, float value) {
  char text[16];
  if (!std::isnan(value))
    writer.param(key, {text, static_cast<size_t>(snprintf(text, sizeof(text), "%.7g", value))});
}

[[maybe_unused]] static std::string_view number_to_text(float value, int8_t decimals, StateBuffer buffer) {
  if (!std::isfinite(value))
    return {};
  return {buffer.data(), value_accuracy_to_buf(buffer, value, decimals)};
}

[[maybe_unused]] static void describe_nothing(EntityBase *entity, wire::Writer &writer) {}

#ifdef USE_SENSOR
const KindRow Kind<sensor::Sensor>::ROW = {
    "sensor",
    [](EntityBase *entity, wire::Writer &writer) {
      static const char *const STATE_CLASSES[] = {"", "measurement", "total_increasing", "total", "measurement_angle"};
      auto *sensor = static_cast<sensor::Sensor *>(entity);
      if (const size_t index = sensor->get_state_class(); index < std::size(STATE_CLASSES))
        writer.optional_param("STATE", STATE_CLASSES[index]);
      if (sensor->has_accuracy_decimals())
        put_number(writer, "PRECISION", std::max<int8_t>(sensor->get_accuracy_decimals(), 0));
    },
    [](EntityBase *entity, StateBuffer buffer) -> std::string_view {
      auto *sensor = static_cast<sensor::Sensor *>(entity);
      if (sensor->has_accuracy_decimals() || !std::isfinite(sensor->state))
        return number_to_text(sensor->state, sensor->get_accuracy_decimals(), buffer);
      return {buffer.data(), static_cast<size_t>(snprintf(buffer.data(), buffer.size(), "%.7g", sensor->state))};
    },
    nullptr,
};
#endif

#ifdef USE_BINARY_SENSOR
const KindRow Kind<binary_sensor::BinarySensor>::ROW = {
    "binary_sensor",
    describe_nothing,
    [](EntityBase *entity, StateBuffer buffer) {
      return static_cast<binary_sensor::BinarySensor *>(entity)->state ? ON : OFF;
    },
    nullptr,
};
#endif

#ifdef USE_TEXT_SENSOR
const KindRow Kind<text_sensor::TextSensor>::ROW = {
    "sensor",
    [](EntityBase *entity, wire::Writer &writer) { writer.param("MODE", "text"); },
    [](EntityBase *entity, StateBuffer buffer) -> std::string_view {
      return static_cast<text_sensor::TextSensor *>(entity)->state;
    },
    nullptr,
};
#endif

#ifdef USE_SWITCH
const KindRow Kind<switch_::Switch>::ROW = {
    "switch",
    describe_nothing,
    [](EntityBase *entity, StateBuffer buffer) { return static_cast<switch_::Switch *>(entity)->state ? ON : OFF; },
    [](EntityBase *entity, StringRef text) {
      auto *sw = static_cast<switch_::Switch *>(entity);
      switch (parse_on_off(text.c_str())) {
        case PARSE_ON:
          sw->turn_on();
          return true;
        case PARSE_OFF:
          sw->turn_off();
          return true;
        case PARSE_TOGGLE:
          sw->toggle();
          return true;
        default:
          return false;
      }
    },
};
#endif

#ifdef USE_NUMBER
const KindRow Kind<number::Number>::ROW = {
    "number",
    [](EntityBase *entity, wire::Writer &writer) {
      static const char *const MODES[] = {"auto", "box", "slider"};
      const auto &traits = static_cast<number::Number *>(entity)->traits;
      put_number(writer, "MIN", traits.get_min_value());
      put_number(writer, "MAX", traits.get_max_value());
      if (traits.get_step() > 0)
        put_number(writer, "STEP", traits.get_step());
      writer.param("MODE", MODES[traits.get_mode()]);
    },
    [](EntityBase *entity, StateBuffer buffer) {
      auto *number = static_cast<number::Number *>(entity);
      return number_to_text(number->state, step_to_accuracy_decimals(number->traits.get_step()), buffer);
    },
    [](EntityBase *entity, StringRef text) {
      const auto value = parse_number<float>(text.c_str());
      if (!value.has_value() || !std::isfinite(*value))
        return false;
      static_cast<number::Number *>(entity)->make_call().set_value(*value).perform();
      return true;
    },
};
#endif

#ifdef USE_SELECT
const KindRow Kind<select::Select>::ROW = {
    "select",
    [](EntityBase *entity, wire::Writer &writer) {
      bool first = true;
      for (const char *option : static_cast<select::Select *>(entity)->traits.get_options()) {
        writer.item("OPTIONS", option, first);
        first = false;
      }
    },
    [](EntityBase *entity, StateBuffer buffer) {
      return to_view(static_cast<select::Select *>(entity)->current_option());
    },
    [](EntityBase *entity, StringRef text) {
      auto *select = static_cast<select::Select *>(entity);
      const auto index = select->index_of(text.c_str(), text.size());
      if (!index.has_value())
        return false;
      select->make_call().set_index(*index).perform();
      return true;
    },
};
#endif

#ifdef USE_TEXT
const KindRow Kind<text::Text>::ROW = {
    "text",
    [](EntityBase *entity, wire::Writer &writer) {
      const auto &traits = static_cast<text::Text *>(entity)->traits;
      put_number(writer, "MIN", traits.get_min_length());
      put_number(writer, "MAX", traits.get_max_length());
      writer.param("MODE", traits.get_mode() == text::TEXT_MODE_PASSWORD ? "password" : "text");
    },
    [](EntityBase *entity, StateBuffer buffer) -> std::string_view { return static_cast<text::Text *>(entity)->state; },
    [](EntityBase *entity, StringRef text) {
      static_cast<text::Text *>(entity)->make_call().set_value(text.c_str(), text.size()).perform();
      return true;
    },
};
#endif

#ifdef USE_BUTTON
const KindRow Kind<button::Button>::ROW = {
    "button",
    describe_nothing,
    nullptr,
    [](EntityBase *entity, StringRef text) {
      if (text != "PRESS")
        return false;
      static_cast<button::Button *>(entity)->press();
      return true;
    },
};
#endif

#ifdef USE_EVENT
const KindRow Kind<event::Event>::ROW = {
    "event",
    [](EntityBase *entity, wire::Writer &writer) {
      bool first = true;
      for (const char *type : static_cast<event::Event *>(entity)->get_event_types()) {
        writer.item("OPTIONS", type, first);
        first = false;
      }
    },
    nullptr,
    nullptr,
};
#endif

// ---- the table of entities

void EntityPublisher::setup() {
  if (this->prefix_ == nullptr)
    this->prefix_ = this->client_->device_id();
#define ENTITY_TYPE_(type, singular, plural, count, upper) \
  for (auto *entity : App.get_##plural()) \
    this->add_(entity);
#define ENTITY_CONTROLLER_TYPE_(type, singular, plural, count, upper, callback) \
  ENTITY_TYPE_(type, singular, plural, count, upper)
#include "esphome/core/entity_types.h"
#undef ENTITY_TYPE_
#undef ENTITY_CONTROLLER_TYPE_
}

void EntityPublisher::add_entry_(EntityBase *entity, const KindRow *kind) {
  const char *variable = this->only_listed_ ? nullptr : "";
  for (const auto &rule : this->rules_) {
    if (rule.entity == entity)
      variable = rule.variable;
  }
  if (variable != nullptr && !entity->is_internal())
    this->entries_.push_back({entity, kind, variable, PENDING_NOTHING});
}

void EntityPublisher::dump_config() {
  for (const auto &entry : this->entries_) {
    NameBuffer buffer;
    const std::string_view variable = this->variable_(entry, buffer);
    ESP_LOGCONFIG(TAG, "  %s '%s': %.*s", entry.kind->type, entry.entity->get_name().c_str(),
                  static_cast<int>(variable.size()), variable.data());
  }
}

void EntityPublisher::restart() {
  this->next_ = 0;
  for (auto &entry : this->entries_) {
    this->set_pending_(entry, PENDING_DEFINITION);
    if (entry.kind->command != nullptr)
      this->set_pending_(entry, PENDING_SUBSCRIPTION);
    if (entry.kind->state != nullptr)
      this->set_pending_(entry, PENDING_STATE);
  }
}

void EntityPublisher::changed_(EntityBase *entity) {
  for (auto &entry : this->entries_) {
    if (entry.entity == entity)
      this->set_pending_(entry, PENDING_STATE);
  }
}

#ifdef USE_EVENT
void EntityPublisher::changed_(event::Event *event) {
  for (const auto &entry : this->entries_) {
    if (entry.entity == event) {
      NameBuffer buffer;
      this->client_->publish(this->variable_(entry, buffer), to_view(event->get_last_event_type()), false);
    }
  }
}
#endif

std::string_view EntityPublisher::variable_(const Entry &entry, NameBuffer &buffer) const {
  if (entry.variable[0] != '\0')
    return entry.variable;
  char object_id[OBJECT_ID_MAX_LEN];
  const int size =
      snprintf(buffer, sizeof(buffer), "%s/%s", this->prefix_, entry.entity->get_object_id_to(object_id).c_str());
  return {buffer, std::min<size_t>(size, wire::MAX_VARIABLE_LENGTH)};
}

bool EntityPublisher::owns(std::string_view variable) const {
  for (const auto &entry : this->entries_) {
    NameBuffer buffer;
    if (this->variable_(entry, buffer) == variable)
      return true;
  }
  return false;
}

void EntityPublisher::command(std::string_view variable, StringRef text) {
  if (!variable.ends_with(SET_SUFFIX))
    return;
  variable.remove_suffix(SET_SUFFIX.size());
  for (auto &entry : this->entries_) {
    NameBuffer buffer;
    if (entry.kind->command == nullptr || this->variable_(entry, buffer) != variable)
      continue;
    if (!entry.kind->command(entry.entity, text)) {
      ESP_LOGW(TAG, "'%.*s' is no command to %s '%s'", shown_length(text), text.c_str(), entry.kind->type,
               entry.entity->get_name().c_str());
    }
    // Who sent the command learns what has become of it, even where nothing has changed.
    if (entry.kind->state != nullptr)
      this->set_pending_(entry, PENDING_STATE);
  }
}

// ---- the lines

bool EntityPublisher::queue_next() {
  static constexpr Pending STEPS[] = {PENDING_DEFINITION, PENDING_SUBSCRIPTION, PENDING_STATE};
  for (size_t i = 0; this->any_pending_ && i < this->entries_.size(); i++) {
    Entry &entry = this->entries_[this->next_];
    for (const auto step : STEPS) {
      if ((entry.pending & step) == 0)
        continue;
      const auto queued = this->queue_step_(entry, step);
      if (queued == TextMQClient::Queued::QUEUED_LATER)
        return false;
      if (queued == TextMQClient::Queued::QUEUED_NEVER)
        ESP_LOGE(TAG, "'%s' does not fit a line: raise tx_buffer_size", entry.entity->get_name().c_str());
      entry.pending &= ~step;
      return true;
    }
    this->next_ = (this->next_ + 1) % this->entries_.size();
  }
  this->any_pending_ = false;
  return false;
}

TextMQClient::Queued EntityPublisher::queue_step_(const Entry &entry, Pending step) {
  NameBuffer buffer;
  const std::string_view variable = this->variable_(entry, buffer);
  if (step == PENDING_DEFINITION)
    return this->queue_definition_(entry, variable);
  if (step == PENDING_STATE)
    return this->queue_state_(entry, variable);
  NameBuffer set;
  const int size = snprintf(set, sizeof(set), "%.*s/set", static_cast<int>(variable.size()), variable.data());
  wire::Writer writer = this->client_->writer("SUB");
  writer.param("VARIABLE", {set, static_cast<size_t>(size)}).param("REPLAY", "NO");
  return this->client_->queue(writer);
}

TextMQClient::Queued EntityPublisher::queue_definition_(const Entry &entry, std::string_view variable) {
  static const char *const CATEGORIES[] = {"", "config", "diagnostic"};
  EntityBase *entity = entry.entity;
  char device_class[MAX_DEVICE_CLASS_LENGTH];
  char icon[MAX_ICON_LENGTH];
  wire::Writer writer = this->client_->writer("DEF");
  writer.param("VARIABLE", variable).param("TYPE", entry.kind->type);
  if (entity->has_own_name())
    writer.param("NAME", to_view(entity->get_name()));
  const auto put = [&writer](std::string_view key, std::string_view text) {
    if (!text.empty())
      writer.param(key, text);
  };
  put("UNIT", to_view(entity->get_unit_of_measurement_ref()));
  put("CLASS", entity->get_device_class_to(device_class));
  put("ICON", entity->get_icon_to(icon));
  put("CATEGORY", CATEGORIES[entity->get_entity_category()]);
  if (entity->is_disabled_by_default())
    writer.param("HIDDEN", "YES");
  entry.kind->describe(entity, writer);
  return this->client_->queue(writer);
}

TextMQClient::Queued EntityPublisher::queue_state_(const Entry &entry, std::string_view variable) {
  char buffer[VALUE_ACCURACY_MAX_LEN];
  std::string_view state;
  if (entry.entity->has_state()) {
    state = entry.kind->state(entry.entity, StateBuffer(buffer));
  } else if (!this->publish_unknown_) {
    return TextMQClient::Queued::QUEUED_NOW;
  }
  return this->client_->queue_value(variable, state);
}

}  // namespace esphome::textmq

#endif  // USE_TEXTMQ_ENTITIES
