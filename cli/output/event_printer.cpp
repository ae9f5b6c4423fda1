#include "cli/output/event_printer.hpp"

#include <fmt/format.h>

#include <array>

#include "cli/output/humanize.hpp"
#include "codec/described_json.hpp"

namespace epic::cli {
namespace {

constexpr Column kPersonColumns[] = {
    {"TIME", "time"},     {"NODE", "node"},     {"WHAT", "what", Show::state},
    {"ENTITY", "entity"}, {"WHY", "shown_why"}, {"TOOK", "shown_took"},
};
constexpr Column kProgramColumns[] = {
    {"TIME", "time"},     {"NODE", "node"},     {"WHAT", "what"},
    {"ENTITY", "entity"}, {"WHY", "shown_why"}, {"TOOK US", "took_us"},
};

using Event = protocol::control::Events::Answer;

/// "0.32", "7.5", "340": as many digits as are useful.
std::string ms_text(std::int64_t us) {
  const double ms = static_cast<double>(us) / 1'000;
  return ms < 10 ? fmt::format("{:.2g}", ms) : fmt::format("{:.0f}", ms);
}

/// "1.5 ms (load 1.2, start 0.3)"; empty if nothing took time.
std::string describe_duration(const Event& event) {
  if (event.took_us.value_or(0) == 0) return {};
  const std::string text = ms_text(*event.took_us) + " ms";
  std::string parts;
  for (const auto& [us, word] :
       {std::pair(event.placement_us, "placement"), {event.load_us, "load"}, {event.start_us, "start"}})
    if (us.value_or(0) > 0) parts += fmt::format("{}{} {}", parts.empty() ? "" : ", ", word, ms_text(*us));
  return parts.empty() ? text : fmt::format("{} ({})", text, parts);
}

/// "version 7, 54 B, commit 12 (8 saves)", "get_score, called by client": the details of an event.
std::string describe_event(const Event& event) {
  if (event.what != "saved") return printable(event.why.value_or(""));
  std::string text =
      fmt::format("version {}, {}, commit {}", event.version.value_or(0),
                  human_bytes(static_cast<std::int64_t>(event.bytes.value_or(0))), event.commit.value_or(0));
  if (event.saves.value_or(0) > 1) text += fmt::format(" ({} saves)", *event.saves);
  if (!event.durable.value_or(true)) text += ", not yet durable";
  return text;
}

}  // namespace

EventPrinter::EventPrinter(Console& console, Pace pace) : console_(console) {
  const bool is_terminal = console.is_terminal(Stream::out);
  if (console.is_json() || !is_terminal)
    table_ = std::make_unique<Table>(console, kProgramColumns);
  else if (pace == Pace::all_at_once)
    table_ = std::make_unique<Table>(console, kPersonColumns);
}

void EventPrinter::print(const Event& event) {
  const std::string took = describe_duration(event);
  if (table_) {
    boost::json::object row = codec::describe_json(event).as_object();
    if (!console_.is_json()) {
      row["shown_why"] = describe_event(event);
      if (!took.empty()) row["shown_took"] = took;
    }
    return table_->add(std::move(row));
  }
  console_.print(fmt::format("{}  {:<7}  {:<12}  {:<24}  {}{}",
                             console_.paint(Stream::out, Paint::dim, printable(event.time)), printable(event.node),
                             printable(event.what), printable(event.entity.value_or("-")), describe_event(event),
                             took.empty() ? "" : "  " + took));
}

void EventPrinter::finish() {
  if (table_) table_->finish();
}

}  // namespace epic::cli
