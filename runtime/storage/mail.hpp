#pragma once
// Stored mail, for people and the programs they use: ids as text, and dead letters by id.

#include <expected>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "storage/store.hpp"

namespace epic::storage {

/// "3.1.7": the sender's shard, its epoch, the number.
[[nodiscard]] std::string mail_id_text(const kernel::MailId& id);
/// Empty if it is not such a text.
[[nodiscard]] std::optional<kernel::MailId> parse_mail_id(std::string_view text);
/// "waiting", "begun", "dead".
[[nodiscard]] std::string_view mail_status_text(MailStatus status);

/// Dead letters that are read at once.
inline constexpr std::size_t kDeadLettersMax = 1024;
inline constexpr std::size_t kDeadLettersBytesMax = 16u << 20;  // of their arguments; the last one may exceed it

enum class Damaged : std::uint8_t {
  skipped,
  included,  // whatever their status: they run no more. Only the id counts, and the shard whose owner is to remove it
};

/// The dead letters with these ids, which it removes from `wanted`: as many as are read at once, in the order of the
/// ids; none: the store has no more of them.
[[nodiscard]] std::expected<std::vector<Mail>, StoreError> read_dead_letters(Store& store,
                                                                             std::set<kernel::MailId>& wanted,
                                                                             Damaged damaged);

}  // namespace epic::storage
