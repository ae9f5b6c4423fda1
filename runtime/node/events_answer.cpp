#include "node/events_answer.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "wire/log_line.hpp"

namespace epic::node {

namespace json = boost::json;
using kernel::Happening;
using kernel::LifeEntry;
using kernel::SaveEntry;

namespace {

/// How far a reader has come: the process it has read from, and the newest numbers of both rings.
struct Cursor {
  std::uint64_t life = 0;
  std::uint64_t lives = 0;
  std::uint64_t saves = 0;
};

struct Query {
  std::string entity;
  std::string type_prefix = {};  // "Player/"
  std::size_t limit = SIZE_MAX;
  bool follows = false;
  Cursor after;

  [[nodiscard]] bool matches(std::string_view name) const {
    return entity.empty() ? name.starts_with(type_prefix) : name == entity;
  }
};

/// With its time, ring and number, to sort by: in one tick lives go before saves.
using Event = std::pair<std::tuple<std::int64_t, int, std::uint64_t>, json::object>;

std::string text_at(const json::object& body, std::string_view field) {
  const auto* value = body.if_contains(field);
  return value != nullptr && value->is_string() ? std::string(std::string_view(value->get_string())) : std::string();
}

Query read_query(const kernel::Kernel& kernel, std::string_view node, const json::object& body) {
  Query query;
  query.entity = kernel.types().stored(text_at(body, "entity"));
  if (const std::string type = text_at(body, "type"); !type.empty())
    query.type_prefix = kernel.types().stored(type + "/");
  boost::system::error_code no_number;
  if (const auto* limit = body.if_contains("limit"))
    if (const auto count = limit->to_number<std::uint64_t>(no_number); !no_number) query.limit = count;
  const auto* follow = body.if_contains("follow");
  query.follows = follow != nullptr && follow->is_bool() && follow->get_bool();
  const auto* after = body.if_contains("after");
  const auto* ours = after != nullptr && after->is_object() ? after->get_object().if_contains(node) : nullptr;
  if (ours == nullptr || !ours->is_array() || ours->get_array().size() != 3) return query;
  std::uint64_t numbers[3] = {};
  for (std::size_t i = 0; i < 3; ++i) {
    numbers[i] = ours->get_array()[i].to_number<std::uint64_t>(no_number);
    if (no_number) return query;
  }
  query.after = {numbers[0], numbers[1], numbers[2]};
  return query;
}

std::string_view word_of(Happening what) {
  switch (what) {
    case Happening::activated:
      return "activated";
    case Happening::failed:
      return "failed";
    case Happening::erased:
      return "erased";
    case Happening::collected:
      return "collected";
    case Happening::moved:
      return "moved";
    case Happening::stopped:
      return "stopped";
    case Happening::replaced:
      return "replaced";
    case Happening::discarded:
      return "discarded";
    case Happening::deadlocked:
      return "deadlocked";
    case Happening::slow_to_stop:
      return "slow to stop";
  }
  return "";
}

std::int64_t to_us(std::int64_t nanoseconds) { return nanoseconds / 1'000; }

std::string time_text(std::int64_t wall_ns) {
  return wire::format_time(std::chrono::system_clock::time_point(
      std::chrono::duration_cast<std::chrono::system_clock::duration>(std::chrono::nanoseconds(wall_ns))));
}

json::object describe(const LifeEntry& entry, const kernel::Kernel& kernel, std::string_view node) {
  json::object event{{"time", time_text(entry.wall_ns)},
                     {"node", node},
                     {"entity", kernel.types().shown(entry.entity->text)},
                     {"what", word_of(entry.what)},
                     {"why", entry.why_text(kernel.types())},
                     {"version", entry.version.value},
                     {"took_us", to_us(entry.took_ns)}};
  if (entry.what == Happening::activated || entry.what == Happening::failed) {
    event["placement_us"] = to_us(entry.placement_ns);
    event["load_us"] = to_us(entry.load_ns);
    event["start_us"] = to_us(entry.start_ns);
  }
  return event;
}

json::object describe(const SaveEntry& entry, const kernel::Kernel& kernel, std::string_view node) {
  return {{"time", time_text(entry.wall_ns)},
          {"node", node},
          {"entity", kernel.types().shown(entry.entity->text)},
          {"what", "saved"},
          {"why", nullptr},
          {"version", entry.version.value},
          {"took_us", nullptr},
          {"bytes", entry.state_bytes},
          {"commit", entry.commit.value},
          {"saves", entry.count},
          {"durable", entry.commit <= kernel.durable()}};
}

}  // namespace

json::object describe_events(const kernel::Kernel& kernel, std::string_view node, const json::object& body) {
  Query query = read_query(kernel, node, body);
  const std::uint64_t life = kernel.options().self.life;
  if (query.after.life != life) query.after = {};
  Cursor cursor{life, kernel.trail().lives.newest(), kernel.trail().saves.newest()};

  // From the newest back, so that a limit costs no more than what it lets through.
  std::vector<Event> events;
  const auto& lives = kernel.trail().lives.entries();
  for (auto entry = lives.rbegin(); entry != lives.rend() && events.size() < query.limit; ++entry) {
    if (entry->number <= query.after.lives) break;
    if (query.matches(entry->entity->text))
      events.push_back({{entry->wall_ns, 0, entry->number}, describe(*entry, kernel, node)});
  }
  std::size_t saves_left = query.limit;
  const auto& saves = kernel.trail().saves.entries();
  for (auto entry = saves.rbegin(); entry != saves.rend() && saves_left > 0; ++entry) {
    if (entry->number <= query.after.saves) break;
    if (query.follows && kernel.now_ns() - entry->since_ns < kernel::limits::kSavesWindow.count()) {
      cursor.saves = entry->number - 1;
      continue;
    }
    if (!query.matches(entry->entity->text)) continue;
    --saves_left;
    events.push_back({{entry->wall_ns, 1, entry->number}, describe(*entry, kernel, node)});
  }
  std::ranges::sort(events, std::ranges::greater(), &Event::first);
  if (events.size() > query.limit) events.resize(query.limit);
  json::array shown;
  for (auto event = events.rbegin(); event != events.rend(); ++event) {
    event->second["wall_ns"] = std::get<0>(event->first);
    shown.emplace_back(std::move(event->second));
  }
  return {{"node", node}, {"cursor", {cursor.life, cursor.lives, cursor.saves}}, {"events", std::move(shown)}};
}

}  // namespace epic::node
