#include "cli/output/event_printer.hpp"

#include <fmt/format.h>

#include <array>

#include "cli/output/humanize.hpp"

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

std::string text_of(const boost::json::object& event, std::string_view field) {
  const auto* value = event.if_contains(field);
  return value != nullptr && value->is_string() ? printable(std::string_view(value->get_string())) : std::string();
}

double number_of(const boost::json::object& event, std::string_view field) {
  const auto* value = event.if_contains(field);
  return value != nullptr && value->is_number() ? value->to_number<double>() : 0;
}

/// "0.32", "7.5", "340": as many digits as one wants to read.
std::string ms_text(double us) {
  const double ms = us / 1'000;
  return ms < 10 ? fmt::format("{:.2g}", ms) : fmt::format("{:.0f}", ms);
}

}  // namespace

std::string describe_duration(const boost::json::object& event) {
  const double took_us = number_of(event, "took_us");
  if (took_us == 0) return {};
  const std::string text = ms_text(took_us) + " ms";
  std::string parts;
  for (const auto& [field, word] : std::array<std::pair<const char*, const char*>, 3>{
           {{"placement_us", "placement"}, {"load_us", "load"}, {"start_us", "start"}}})
    if (const double us = number_of(event, field); us > 0)
      parts += fmt::format("{}{} {}", parts.empty() ? "" : ", ", word, ms_text(us));
  return parts.empty() ? text : fmt::format("{} ({})", text, parts);
}

std::string describe_event(const boost::json::object& event) {
  if (text_of(event, "what") != "saved") return text_of(event, "why");
  std::string text =
      fmt::format("version {:.0f}, {}, commit {:.0f}", number_of(event, "version"),
                  human_bytes(static_cast<std::int64_t>(number_of(event, "bytes"))), number_of(event, "commit"));
  if (const double saves = number_of(event, "saves"); saves > 1) text += fmt::format(" ({:.0f} saves)", saves);
  const auto* durable = event.if_contains("durable");
  if (durable != nullptr && durable->is_bool() && !durable->get_bool()) text += ", not on disk yet";
  return text;
}

EventPrinter::EventPrinter(Console& console, Pace pace) : console_(console) {
  const bool is_terminal = console.is_terminal(Stream::out);
  if (console.is_json() || !is_terminal)
    table_ = std::make_unique<Table>(console, kProgramColumns);
  else if (pace == Pace::all_at_once)
    table_ = std::make_unique<Table>(console, kPersonColumns);
}

void EventPrinter::print(boost::json::object event) {
  if (!console_.is_json()) {
    event["shown_why"] = describe_event(event);
    if (std::string took = describe_duration(event); !took.empty()) event["shown_took"] = std::move(took);
  }
  if (table_) return table_->add(std::move(event));
  const std::string took = text_of(event, "shown_took");
  console_.print(fmt::format("{}  {:<7}  {:<12}  {:<24}  {}{}",
                             console_.paint(Stream::out, Paint::dim, text_of(event, "time")), text_of(event, "node"),
                             text_of(event, "what"), text_of(event, "entity").empty() ? "-" : text_of(event, "entity"),
                             text_of(event, "shown_why"), took.empty() ? "" : "  " + took));
}

void EventPrinter::finish() {
  if (table_) table_->finish();
}

}  // namespace epic::cli
