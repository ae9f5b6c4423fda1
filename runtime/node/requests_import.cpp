// import: states from outside, for entities of one shard of this node's. What a line says is import_reader.hpp.
//
// "check" says what each line would do and changes nothing; "apply" does it, and answers when all of it is durable.
// When the shard leaves before anything was done, the answer is `not_owner`, and the whole request is put to the next
// owner. After that each line has its own outcome: what was done is never done again, as somebody may have changed it
// since.

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <utility>

#include "kernel/placement_hash.hpp"
#include "node/answers.hpp"
#include "node/import_reader.hpp"
#include "node/requests.hpp"

namespace epic::node {

namespace json = boost::json;
using kernel::Activation;
using wire::AnswerStatus;

struct Requests::Importing {
  std::uint64_t id;
  kernel::ShardId shard;
  std::vector<std::optional<ImportRow>> rows = {};  // empty: its outcome is known
  json::array outcomes = {};                        // by row: "new", "changed" …, or {"error"}
  std::size_t ignored = 0;
  std::size_t left = 0;
};

namespace {

json::object error_of(std::string_view message) { return {{"error", message}}; }

/// As a stored row stands beside a line.
std::string_view compare(const std::optional<storage::Snapshot>& stored, const ImportRow& row) {
  if (!row.state) {
    if (!stored) return "equal";
    return row.only_if && *row.only_if != stored->version ? "passed_over" : "removed";
  }
  if (!stored) return "new";
  return stored->schema == row.type->schema.id() && stored->bytes == *row.state ? "equal" : "changed";
}

}  // namespace

void Requests::import_states(std::uint64_t id, const Body& body) {
  auto importing = std::make_shared<Importing>(
      Importing{.id = id, .shard = kernel::ShardId{static_cast<std::uint16_t>(count_at(body, "shard", UINT16_MAX))}});
  const auto* lines = body.if_contains("lines");
  const std::string mode = text_at(body, "mode");
  if (importing->shard.value >= driver_.kernel().options().shard_count || lines == nullptr || !lines->is_array() ||
      (mode != "check" && mode != "apply"))
    return send_(make_failure(id, AnswerStatus::bad_request,
                              R"(an import is {"mode":"check" or "apply", "shard":NUMBER, "lines":[TEXT…]})"));
  if (!is_ours(importing->shard)) return end_import(*importing);
  ImportReader reader(driver_.kernel().types(), driver_.kernel().codec());
  for (const json::value& line : lines->get_array()) {
    std::expected<ImportRow, std::string> row;
    driver_.kernel().enter(
        [&] { row = reader.read(line.is_string() ? std::string_view(line.get_string()) : std::string_view()); });
    const bool is_here =
        row && kernel::shard_of(row->name(), driver_.kernel().options().shard_count) == importing->shard;
    importing->rows.emplace_back();
    importing->outcomes.emplace_back(nullptr);
    if (!row)
      importing->outcomes.back() = error_of(row.error());
    else if (!is_here)
      importing->outcomes.back() = error_of(fmt::format("it does not belong to shard {}", importing->shard));
    else
      importing->rows.back() = std::move(*row);
  }
  importing->ignored = reader.ignored_count();
  if (mode == "check") return check_import(importing);
  carry_out_import(importing);
}

/// Live ones are compared here, the others where the store is read.
void Requests::check_import(const std::shared_ptr<Importing>& importing) {
  kernel::Kernel& kernel = driver_.kernel();
  for (std::size_t i = 0; i < importing->rows.size(); ++i) {
    std::optional<ImportRow>& row = importing->rows[i];
    if (!row) continue;
    const Activation* activation = kernel.activations().find(row->name());
    if (activation == nullptr || activation->entity == nullptr || !kernel.is_unsaved(*activation)) continue;
    std::vector<std::byte> bytes;
    try {
      const reflect::EntityInfo& info = *activation->type->info;
      kernel.codec().encode(info.state, info.object(activation->entity), bytes);
    } catch (const std::length_error&) {  // then it is different
    }
    if (!row->state)
      importing->outcomes[i] = row->only_if ? "passed_over" : "removed";
    else
      importing->outcomes[i] = bytes == *row->state ? "equal" : activation->version.value == 0 ? "new" : "changed";
    row.reset();
  }
  read([this, importing](storage::Store& store) -> io::StorageWorkers::Continuation {
    for (std::size_t i = 0; i < importing->rows.size(); ++i) {
      const std::optional<ImportRow>& row = importing->rows[i];
      if (!row) continue;
      const auto stored = store.load(row->type->info->stored_name(), row->key);
      if (stored)
        importing->outcomes[i] = compare(*stored, *row);
      else  // damaged, which an import mends
        importing->outcomes[i] = row->state ? "changed" : "removed";
    }
    return [this, importing] { end_import(*importing); };
  });
}

void Requests::carry_out_import(const std::shared_ptr<Importing>& importing) {
  importing->left = 1;
  const auto end_one = [this, importing] {
    if (--importing->left == 0) end_import(*importing);
  };
  for (std::size_t i = 0; i < importing->rows.size(); ++i) {
    std::optional<ImportRow> row = std::exchange(importing->rows[i], std::nullopt);
    if (!row) continue;
    ++importing->left;
    driver_.kernel().replace(row->type->info->type_name, row->key, std::move(row->state), row->only_if,
                             [importing, i, end_one](std::expected<kernel::Replaced, kernel::ErrorPart> outcome) {
                               static constexpr std::string_view kWords[] = {"done", "equal", "passed_over"};
                               if (outcome)
                                 importing->outcomes[i] = kWords[static_cast<std::size_t>(*outcome)];
                               else
                                 importing->outcomes[i] = error_of(outcome.error().message);
                               end_one();
                             });
  }
  end_one();
}

void Requests::end_import(const Importing& importing) {
  const bool has_done_some =
      std::ranges::any_of(importing.outcomes, [](const json::value& outcome) { return outcome == "done"; });
  if (!is_ours(importing.shard) && !has_done_some)
    return send_(make_failure(importing.id, AnswerStatus::not_owner,
                              fmt::format("{} does not own shard {}", node_name(), importing.shard)));
  send_(make_answer(importing.id, {{"outcomes", importing.outcomes}, {"ignored_fields", importing.ignored}}));
}

}  // namespace epic::node
