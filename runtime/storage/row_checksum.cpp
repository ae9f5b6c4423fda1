#include "storage/row_checksum.hpp"

#include <array>
#include <bit>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace epic::storage {

static_assert(std::endian::native == std::endian::little,
              "the numbers below are hashed in their memory representation");

namespace {

/// Of numbers and texts. The lengths of the texts are to be among the numbers, so that no text can lend bytes to the
/// next.
template <class... Texts>
std::uint64_t checksum_of(std::span<const std::uint64_t> numbers, const Texts&... texts) {
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  XXH3_64bits_update(&state, numbers.data(), numbers.size_bytes());
  (XXH3_64bits_update(&state, texts.data(), texts.size()), ...);
  return XXH3_64bits_digest(&state);
}

}  // namespace

std::uint64_t row_checksum(std::string_view type, std::string_view key, kernel::ShardId shard, kernel::Version version,
                           kernel::SchemaId schema, std::int64_t saved_at_ns, std::span<const std::byte> bytes) {
  const std::array<std::uint64_t, 6> numbers{type.size(),   key.size(),   shard.value,
                                             version.value, schema.value, static_cast<std::uint64_t>(saved_at_ns)};
  return checksum_of(numbers, type, key, bytes);
}

std::uint64_t mail_checksum(const Mail& mail) {
  const std::array<std::uint64_t, 9> numbers{
      mail.from.size(),    mail.to.size(),      mail.method.size(),
      mail.id.shard.value, mail.id.epoch.value, mail.id.number,
      mail.to_shard.value, mail.schema.value,   static_cast<std::uint64_t>(mail.sent_at_ns)};
  return checksum_of(numbers, mail.from, mail.to, mail.method, mail.arguments);
}

std::uint64_t mail_status_checksum(const kernel::MailId& id, MailStatus status, std::string_view why) {
  const std::array<std::uint64_t, 4> numbers{id.shard.value, id.epoch.value, id.number,
                                             static_cast<std::uint64_t>(status)};
  return checksum_of(numbers, why);
}

std::uint64_t answer_checksum(const Answer& answer) {
  const std::array<std::uint64_t, 8> numbers{answer.id.entity.size(), answer.id.subject.size(),
                                             answer.id.key.size(),    answer.method.size(),
                                             answer.id.shard.value,   answer.arguments_schema.value,
                                             answer.arguments_hash,   static_cast<std::uint64_t>(answer.begun_at_ns)};
  return checksum_of(numbers, answer.id.entity, answer.id.subject, answer.id.key, answer.method);
}

std::uint64_t answer_end_checksum(const AnswerId& id, const AnswerEnd& end) {
  const std::array<std::uint64_t, 7> numbers{id.entity.size(),
                                             id.subject.size(),
                                             id.key.size(),
                                             end.schema.value,
                                             end.error_type.size(),
                                             end.error_code,
                                             static_cast<std::uint64_t>(end.status)};
  return checksum_of(numbers, id.entity, id.subject, id.key, end.error_type, end.bytes);
}

std::uint64_t reminder_checksum(const Reminder& reminder) {
  const ReminderName& name = reminder.name;
  const std::array<std::uint64_t, 8> numbers{name.type.size(),
                                             name.key.size(),
                                             name.name.size(),
                                             reminder.method.size(),
                                             reminder.shard.value,
                                             reminder.schema.value,
                                             static_cast<std::uint64_t>(reminder.first_ns),
                                             static_cast<std::uint64_t>(reminder.every_ns)};
  return checksum_of(numbers, name.type, name.key, name.name, reminder.method, reminder.arguments);
}

std::uint64_t reminder_due_checksum(const ReminderName& name, std::int64_t due_ns) {
  const std::array<std::uint64_t, 4> numbers{name.type.size(), name.key.size(), name.name.size(),
                                             static_cast<std::uint64_t>(due_ns)};
  return checksum_of(numbers, name.type, name.key, name.name);
}

}  // namespace epic::storage
