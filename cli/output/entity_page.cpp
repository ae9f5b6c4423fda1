#include "cli/output/entity_page.hpp"

#include <boost/json/array.hpp>

#include "cli/output/table.hpp"
#include "protocol/json.hpp"

namespace epic::cli {
namespace {

constexpr Column kFields[] = {
    {"entity", "entity"},
    {"status", "status", Show::state},
    {"node", "node"},
    {"local", "local"},
    {"shard", "shard", Show::number},
    {"epoch", "epoch", Show::number},
    {"version", "version", Show::number},
    {"saved", "saved_at", Show::time},
    {"bytes", "bytes", Show::bytes},
    {"memory", "memory_bytes", Show::bytes},
    {"schema", "schema"},
    {"active for", "active_ms", Show::duration},
    {"activation", "activation"},
    {"idle for", "idle_ms", Show::duration},
    {"queue", "queue", Show::number},
};

bool is_true(const boost::json::object& object, std::string_view field) {
  const auto* value = object.if_contains(field);
  return value && value->is_bool() && value->get_bool();
}

std::string indented_by(std::string_view text, std::string_view margin) {
  std::string out(margin);
  for (const char c : text) {
    out += c;
    if (c == '\n') out += margin;
  }
  return out + "\n";
}

std::string text_of(const boost::json::object& object, std::string_view field) {
  const auto* value = object.if_contains(field);
  return value && value->is_string() ? printable(std::string_view(value->get_string())) : std::string();
}

// "enter_level  running  3.2 s  called by Match/7"; across nodes: "Match/7.play  waiting for 1 call  3.2 s node-2"
std::string call_line(const boost::json::value& call) {
  const auto* fields = call.if_object();
  if (fields == nullptr) return printable(protocol::print_json(call));
  const auto* depth = fields->if_contains("depth");
  std::string line = depth != nullptr && depth->is_number()
                         ? std::string(2 * depth->to_number<std::size_t>(), ' ') + text_of(*fields, "call")
                         : text_of(*fields, "method");
  line += "  " + text_of(*fields, "state") + "  " +
          show_field(fields->if_contains("age_ms"), Show::duration, Reader::person);
  if (depth != nullptr) return line + "  " + text_of(*fields, "node");
  if (const std::string caller = text_of(*fields, "caller"); !caller.empty()) line += "  called by " + caller;
  return line;
}

// "tick  every 50 ms  due in 12 ms"
std::string timer_line(const boost::json::value& timer) {
  const auto* fields = timer.if_object();
  if (fields == nullptr) return printable(protocol::print_json(timer));
  const auto duration = [&](std::string_view field) {
    return show_field(fields->if_contains(field), Show::duration, Reader::person);
  };
  const auto* every = fields->if_contains("every_ms");
  const bool is_once = every == nullptr || !every->is_number() || every->to_number<std::int64_t>() == 0;
  return text_of(*fields, "method") + "  " + (is_once ? "once" : "every " + duration("every_ms")) + "  due in " +
         duration("due_ms");
}

// "node-2  idle for 3.0 s  12 calls"
std::string instance_line(const boost::json::value& instance) {
  const auto* fields = instance.if_object();
  if (fields == nullptr) return printable(protocol::print_json(instance));
  return text_of(*fields, "node") + "  idle for " +
         show_field(fields->if_contains("idle_ms"), Show::duration, Reader::person) + "  " +
         show_field(fields->if_contains("calls"), Show::number, Reader::person) + " calls";
}

// "digest  post_digest  every 24 h  due at 2026-11-27T08:00:00.000Z"
std::string reminder_line(const boost::json::value& reminder) {
  const auto* fields = reminder.if_object();
  if (fields == nullptr) return printable(protocol::print_json(reminder));
  const auto* every = fields->if_contains("every_ms");
  const bool is_once = every == nullptr || !every->is_number();
  return text_of(*fields, "name") + "  " + text_of(*fields, "method") + "  " +
         (is_once ? "once" : "every " + show_field(every, Show::duration, Reader::person)) + "  due at " +
         text_of(*fields, "due_at");
}

}  // namespace

void print_entity(Console& console, const boost::json::object& entity) {
  if (console.is_json()) {
    console.print_json(entity);
    return;
  }
  boost::json::object shown = entity;
  const bool live = is_true(entity, "live");
  const auto* instances = entity.if_contains("instances");
  shown["status"] = is_true(entity, "unsaved") ? "unsaved" : live ? "live" : instances ? "not in memory" : "stored";
  if (const auto* const max = entity.if_contains("local_max"); max != nullptr && max->is_number())
    shown["local"] = "at most " + protocol::print_json(*max) + " instances on each node";
  print_record(console, shown, kFields);

  const auto* calls = entity.if_contains("calls");
  const auto* timers = entity.if_contains("timers");
  const auto* reminders = entity.if_contains("reminders");
  const auto* state = entity.if_contains("state");
  if (!console.is_terminal(Stream::out)) {
    if (instances) console.print("instances\t" + protocol::print_json(*instances));
    if (calls) console.print("calls\t" + protocol::print_json(*calls));
    if (timers) console.print("timers\t" + protocol::print_json(*timers));
    if (reminders) console.print("reminders\t" + protocol::print_json(*reminders));
    if (state) console.print("state\t" + protocol::print_json(*state));
    return;
  }
  if (instances && instances->is_array() && !instances->get_array().empty()) {
    console.print(console.paint(Stream::out, Paint::bold, "instances"));
    for (const auto& instance : instances->get_array()) console.print("  " + instance_line(instance));
  }
  if (calls && calls->is_array() && !calls->get_array().empty()) {
    console.print(console.paint(Stream::out, Paint::bold, "calls"));
    for (const auto& call : calls->get_array()) console.print("  " + call_line(call));
  }
  if (timers && timers->is_array() && !timers->get_array().empty()) {
    console.print(console.paint(Stream::out, Paint::bold, "timers"));
    for (const auto& timer : timers->get_array()) console.print("  " + timer_line(timer));
  }
  if (reminders && reminders->is_array() && !reminders->get_array().empty()) {
    console.print(console.paint(Stream::out, Paint::bold, "reminders"));
    for (const auto& reminder : reminders->get_array()) console.print("  " + reminder_line(reminder));
  }
  if (state) {
    console.print(console.paint(Stream::out, Paint::bold, "state"));
    console.print(indented_by(protocol::print_json_indented(*state), "  "));
  }
}

}  // namespace epic::cli
