#pragma once
// MailSettler: retries and drops dead letters: through the owners in a running fabric, or, if none is running, in the
// store, under the project's lock and new epochs of all shards.

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "cli/output/failure.hpp"
#include "cli/project/project.hpp"
#include "kernel/batch.hpp"
#include "protocol/control_entities.hpp"

namespace epic::cli {

using MailAction = protocol::control::Outbox::Action;

class MailSettler {
 public:
  virtual ~MailSettler() = default;

  /// For the running fabric if there is one; otherwise prevents one from starting while it exists.
  static Result<std::unique_ptr<MailSettler>> open(const ProjectPaths& paths);

  /// At most kIdsMax. Returns how many of them were settled, durably: others are not dead letters any more, or their
  /// shards are on the move.
  virtual Result<std::uint64_t> settle(MailAction action, std::span<const kernel::MailId> ids) = 0;
  static constexpr std::size_t kIdsMax = protocol::control::Outbox::kIdsMax;
  /// "the running fabric", "the store (no fabric runs)".
  [[nodiscard]] virtual std::string_view words() const = 0;
};

}  // namespace epic::cli
