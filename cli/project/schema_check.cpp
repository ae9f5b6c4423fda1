#include "cli/project/schema_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <map>

#include "cli/project/subprocess.hpp"
#include "protocol/json.hpp"

namespace epic::cli {
namespace json = boost::json;
namespace {

std::string text_of(const json::value& value) {
  return value.is_string() ? std::string(std::string_view(value.get_string())) : std::string();
}

std::uint64_t count_of(const json::value& value) {
  boost::system::error_code no_number;
  const auto count = value.to_number<std::uint64_t>(no_number);
  return no_number ? 0 : count;
}

std::string plural(std::uint64_t count, std::string_view word) {
  return fmt::format("{} {}{}", count, word, count == 1 ? "" : "s");
}

std::string joined_texts(const json::array& changes) {
  std::string text;
  for (const json::value& change : changes) text += (text.empty() ? "" : "; ") + text_of(change.at("text"));
  return text;
}

json::object row_of(const json::value& type, json::object schema) {
  json::object row{{"type", type.at("type")}, {"stored_as", type.at("stored_as")}};
  const bool is_damaged = schema.at("verdict") == "damaged";
  schema["text"] =
      is_damaged ? text_of(schema.at("reasons").at(0).at("message")) : joined_texts(schema.at("changes").as_array());
  for (auto& [name, value] : schema) row[name] = std::move(value);
  return row;
}

json::object nobodys_row(const json::value& type, std::string_view verdict, std::uint64_t unreadable,
                         const std::string& text) {
  return {{"type", type.at("type")},         {"stored_as", type.at("type")}, {"schema", nullptr},
          {"entities", type.at("entities")}, {"verdict", verdict},           {"unreadable", unreadable},
          {"changes", json::array()},        {"reasons", json::array()},     {"text", text}};
}

/// Throws what Boost.JSON throws for a malformed answer.
SchemaCheck check_from(const json::value& told) {
  SchemaCheck check{.rows = {}, .damaged = count_of(told.at("damaged"))};
  for (const json::value& type : told.at("types").as_array())
    for (const json::value& schema : type.at("schemas").as_array())
      check.rows.emplace_back(row_of(type, schema.as_object()));
  for (const json::value& orphan : told.at("orphans").as_array())
    check.rows.emplace_back(nobodys_row(
        orphan, "orphaned", count_of(orphan.at("entities")),
        fmt::format("class {} stores its entities as {}; restore formerly(\"{}\") as the last name in its named(…)",
                    text_of(orphan.at("class")), text_of(orphan.at("stored_as")), text_of(orphan.at("type")))));
  for (const json::value& type : told.at("unclaimed").as_array())
    check.rows.emplace_back(nobodys_row(type, "unclaimed", 0, "no class of the module has this name"));
  return check;
}

}  // namespace

std::uint64_t SchemaCheck::unreadable() const {
  std::uint64_t count = 0;
  for (const json::value& row : rows) count += count_of(row.at("unreadable"));
  return count;
}

bool SchemaCheck::has_orphans() const {
  return std::ranges::any_of(rows, [](const json::value& row) { return text_of(row.at("verdict")) == "orphaned"; });
}

std::optional<std::string> SchemaCheck::damage() const {
  if (damaged == 0) return std::nullopt;
  return fmt::format("{} {} damaged; no module could read {}: see 'epic snapshot verify'", plural(damaged, "snapshot"),
                     damaged == 1 ? "is" : "are", damaged == 1 ? "it" : "them");
}

std::vector<std::string> SchemaCheck::conversions() const {
  struct Converted {
    std::uint64_t entities = 0;
    std::string text;
  };
  std::map<std::string, Converted> by_type;
  for (const json::value& row : rows) {
    if (row.at("changes").as_array().empty()) continue;
    Converted& converted = by_type[text_of(row.at("type"))];
    converted.entities += count_of(row.at("entities")) - count_of(row.at("unreadable"));
    for (const json::value& change : row.at("changes").as_array()) {
      const std::string text = text_of(change.at("text"));
      if (text_of(change.at("effect")) == "converts" && !converted.text.contains(text))
        converted.text += (converted.text.empty() ? "" : "; ") + text;
    }
  }
  std::vector<std::string> lines;
  for (const auto& [type, converted] : by_type)
    if (converted.entities > 0 && !converted.text.empty())
      lines.push_back(fmt::format("{}: {} read with another schema: {}", type,
                                  plural(converted.entities, "snapshot") + (converted.entities == 1 ? " is" : " are"),
                                  converted.text));
  return lines;
}

std::vector<std::string> SchemaCheck::leftovers() const {
  std::vector<std::string> lines;
  for (const json::value& row : rows) {
    if (text_of(row.at("verdict")) != "unclaimed") continue;
    const std::string type = text_of(row.at("type"));
    const std::uint64_t count = count_of(row.at("entities"));
    lines.push_back(
        fmt::format("{}: {} {} to no class of the module: if its class was renamed, add formerly(\"{}\") as the "
                    "last name in its named(…)",
                    type, plural(count, "snapshot"), count == 1 ? "belongs" : "belong", type));
  }
  return lines;
}

std::vector<std::string> SchemaCheck::problems() const {
  struct Reason {
    std::uint64_t entities = 0;
    std::string example;
  };
  std::map<std::string, Reason> by_text;
  std::vector<std::string> order;
  std::vector<std::string> lines;
  for (const json::value& row : rows) {
    const std::string type = text_of(row.at("type"));
    if (text_of(row.at("verdict")) == "orphaned")
      lines.push_back(fmt::format("{}: {} would be left behind: {}", type,
                                  plural(count_of(row.at("entities")), "snapshot"), text_of(row.at("text"))));
    if (text_of(row.at("verdict")) == "damaged") continue;
    for (const json::value& reason : row.at("reasons").as_array()) {
      const std::string field = text_of(reason.at("field"));
      const std::string text = fmt::format("{}{}{}: {}", type, field.empty() || field.starts_with('[') ? "" : ".",
                                           field, text_of(reason.at("message")));
      const auto [known, is_new] = by_text.try_emplace(text);
      if (is_new) order.push_back(text);
      known->second.entities += count_of(reason.at("entities"));
      if (known->second.example.empty()) known->second.example = text_of(reason.at("example"));
    }
  }
  for (const std::string& text : order) {
    const Reason& reason = by_text[text];
    lines.push_back(fmt::format("{}: {}{}", text, plural(reason.entities, "snapshot"),
                                reason.example.empty() ? "" : ", such as " + reason.example));
  }
  return lines;
}

void SchemaCheck::add_disagreements(const std::vector<PlacementDisagreement>& disagreements) {
  for (const PlacementDisagreement& disagreement : disagreements)
    for (json::value& row : rows) {
      if (text_of(row.at("stored_as")) != disagreement.was || text_of(row.at("verdict")) == "orphaned") continue;
      row.as_object()["verdict"] = "orphaned";
      row.as_object()["unreadable"] = row.at("entities");
      row.as_object()["reasons"] = json::array();
      row.as_object()["text"] = fmt::format("{}; restore formerly(\"{}\") as the last name in its named(…)",
                                            describe(disagreement), disagreement.was);
    }
}

Result<std::optional<SchemaCheck>> check_schemas(const InstallPaths& install, const ProjectPaths& paths,
                                                 const std::filesystem::path& module) {
  std::error_code ignored;
  if (!std::filesystem::exists(paths.store, ignored)) return std::optional<SchemaCheck>();
  const auto node = EPIC_TRY(install.node());
  const auto end =
      EPIC_TRY(run_subprocess({.program = node, .arguments = {"--check", module.string(), paths.store.string()}}));
  Failure failure{.what = fmt::format("cannot compare {} with {}", paths.store.string(), module.string())};
  if (end.exit_code != 0) {
    failure.why = end.err;
    if (failure.why.starts_with("epic-node: ")) failure.why.erase(0, std::string_view("epic-node: ").size());
    while (failure.why.ends_with('\n') || failure.why.ends_with('.')) failure.why.pop_back();
    if (failure.why.empty()) failure.why = fmt::format("{} ended with exit code {}", node.string(), end.exit_code);
    return fail(std::move(failure));
  }
  try {
    return check_from(protocol::parse_json(end.out).value());
  } catch (const std::exception& error) {
    failure.why = fmt::format("the output of {} is malformed: {}", node.string(), error.what());
    return fail(std::move(failure));
  }
}

}  // namespace epic::cli
