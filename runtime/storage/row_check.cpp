#include "storage/row_check.hpp"

#include <fmt/format.h>

#include "storage/mail.hpp"
#include "storage/row_checksum.hpp"

namespace epic::storage {

namespace {

StoreError damaged_row(const std::string& what, const std::string& where, std::string_view part, std::uint64_t found,
                       std::uint64_t stored) {
  return {StoreErrorCode::corrupt,
          fmt::format("{} in {} is damaged: the checksum of its {} is {:016x} and should be {:016x}. It was left as it "
                      "is.",
                      what, where, part, found, stored)};
}

}  // namespace

std::optional<StoreError> find_damage(const Snapshot& snapshot, std::uint64_t checksum, const std::string& where) {
  const std::uint64_t found = row_checksum(snapshot.type, snapshot.key, snapshot.shard, snapshot.version,
                                           snapshot.schema, to_nanoseconds(snapshot.saved_at), snapshot.bytes);
  if (found == checksum) return std::nullopt;
  return StoreError{
      StoreErrorCode::corrupt,
      fmt::format("the snapshot of {}/{} in {} is damaged: its checksum is {:016x} and should be {:016x}. It was left "
                  "as it is.",
                  snapshot.type, snapshot.key, where, found, checksum)};
}

std::optional<StoreError> find_damage(const Mail& mail, std::uint64_t checksum, std::uint64_t status_checksum,
                                      const std::string& where) {
  const auto describe = [&] { return fmt::format("message {} to {}", mail_id_text(mail.id), mail.to); };
  if (const std::uint64_t found = mail_checksum(mail); found != checksum)
    return damaged_row(describe(), where, "content", found, checksum);
  if (const std::uint64_t found = mail_status_checksum(mail.id, mail.status, mail.why); found != status_checksum)
    return damaged_row(describe(), where, "status", found, status_checksum);
  return std::nullopt;
}

std::optional<StoreError> find_damage(const Reminder& reminder, std::uint64_t checksum, std::uint64_t due_checksum,
                                      const std::string& where) {
  const ReminderName& name = reminder.name;
  const auto describe = [&] { return fmt::format("the reminder '{}' of {}/{}", name.name, name.type, name.key); };
  if (const std::uint64_t found = reminder_checksum(reminder); found != checksum)
    return damaged_row(describe(), where, "content", found, checksum);
  if (const std::uint64_t found = reminder_due_checksum(name, reminder.due_ns); found != due_checksum)
    return damaged_row(describe(), where, "due time", found, due_checksum);
  return std::nullopt;
}

std::optional<StoreError> find_damage(const Answer& answer, std::uint64_t checksum, std::uint64_t end_checksum,
                                      const std::string& where) {
  if (answer_checksum(answer) == checksum && answer_end_checksum(answer.id, answer.end) == end_checksum)
    return std::nullopt;
  return StoreError{StoreErrorCode::corrupt,
                    fmt::format("the answer to key '{}' of {} in {} is damaged: its checksum is not what it should be. "
                                "It was left as it is.",
                                answer.id.key, answer.id.entity, where)};
}

}  // namespace epic::storage
