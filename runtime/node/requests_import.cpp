// import: states from outside, for entities of one of this node's shards. Lines are described in import_reader.hpp.
//
// "check" reports what each line would do and changes nothing; "apply" does it, and answers when all of it is durable.
// If the shard leaves before anything was done, the answer is `not_owner`, and the whole request goes to the next
// owner. After that each line has its own outcome: what was done is never repeated, because the state may have changed
// since.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "codec/described_json.hpp"
#include "kernel/placement.hpp"
#include "node/answers.hpp"
#include "node/import_reader.hpp"
#include "node/requests.hpp"

namespace epic::node {

namespace control = protocol::control;
using kernel::Activation;
using protocol::AnswerStatus;

struct Requests::Importing {
  std::uint64_t id;
  kernel::ShardId shard;
  std::vector<std::optional<ImportRow>> rows = {};  // empty: its outcome is known
  control::Import::Answer answer = {};
  std::size_t left = 0;
};

namespace {

/// How a stored row compares with a line.
std::string_view compare(const std::optional<storage::Snapshot>& stored, const ImportRow& row) {
  if (!row.state) {
    if (!stored) return "equal";
    return row.only_if && *row.only_if != stored->version ? "passed_over" : "removed";
  }
  if (!stored) return "new";
  return stored->schema == row.type->schema.id() && stored->bytes == *row.state ? "equal" : "changed";
}

}  // namespace

void Requests::answer(const Asked<control::Import>& asked) {
  const auto& [mode, shard, lines] = asked.request;
  auto importing = std::make_shared<Importing>(
      Importing{.id = asked.id, .shard = kernel::ShardId{static_cast<std::uint32_t>(shard)}});
  if (shard >= engine_.kernel().options().placement.shard_count())
    return parts_.send(
        make_failure(asked.id, AnswerStatus::bad_request,
                     fmt::format("'shard' is a number below {}", engine_.kernel().options().placement.shard_count())));
  if (!is_ours(importing->shard)) return end_import(*importing);
  ImportReader reader(engine_.kernel().types(), engine_.kernel().codec());
  for (const std::string& line : lines) {
    std::expected<ImportRow, std::string> row;
    engine_.kernel().enter([&] { row = reader.read(line); });
    const bool is_here = row && engine_.kernel().options().placement.shard_of(row->name()) == importing->shard;
    importing->rows.emplace_back();
    control::Import::Outcome& outcome = importing->answer.outcomes.emplace_back();
    if (!row)
      outcome.error = row.error();
    else if (!is_here)
      outcome.error = fmt::format("it does not belong to shard {}", importing->shard);
    else
      importing->rows.back() = std::move(*row);
  }
  importing->answer.ignored_fields = reader.ignored_count();
  if (mode == control::Import::Mode::check) return check_import(importing);
  carry_out_import(importing);
}

/// Live ones are compared here, the others where the store is read.
void Requests::check_import(const std::shared_ptr<Importing>& importing) {
  kernel::Kernel& kernel = engine_.kernel();
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
      importing->answer.outcomes[i].what = row->only_if ? "passed_over" : "removed";
    else
      importing->answer.outcomes[i].what = bytes == *row->state ? "equal" : !activation->has_row ? "new" : "changed";
    row.reset();
  }
  read([this, importing](storage::Store& store) -> io::StorageWork::Continuation {
    for (std::size_t i = 0; i < importing->rows.size(); ++i) {
      const std::optional<ImportRow>& row = importing->rows[i];
      if (!row) continue;
      const auto stored = store.load(row->type->info->stored_name(), row->key);
      if (stored)
        importing->answer.outcomes[i].what = compare(*stored, *row);
      else  // damaged, which an import fixes
        importing->answer.outcomes[i].what = row->state ? "changed" : "removed";
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
    engine_.kernel().replace({row->type->info->type_name, row->key, std::move(row->state), row->only_if},
                             [importing, i, end_one](std::expected<kernel::Replaced, kernel::ErrorPart> outcome) {
                               static constexpr std::string_view kWords[] = {"done", "equal", "passed_over"};
                               if (outcome)
                                 importing->answer.outcomes[i].what = kWords[static_cast<std::size_t>(*outcome)];
                               else
                                 importing->answer.outcomes[i].error = outcome.error().message;
                               end_one();
                             });
  }
  end_one();
}

void Requests::end_import(const Importing& importing) {
  const bool has_done_some = std::ranges::find(importing.answer.outcomes, "done", &control::Import::Outcome::what) !=
                             importing.answer.outcomes.end();
  if (!is_ours(importing.shard) && !has_done_some)
    return parts_.send(make_failure(importing.id, AnswerStatus::not_owner,
                                    fmt::format("{} does not own shard {}", node_name(), importing.shard)));
  parts_.send(make_answer(importing.id, codec::describe_json(importing.answer)));
}

}  // namespace epic::node
