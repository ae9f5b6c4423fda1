#pragma once
// Batch: what the kernel hands to the store, and what it gets back when an entity is loaded. Plain values.
//
// A batch is a list of operations. Each is a conditional change of rows: it states how many rows it affects, and when
// it would affect another number, the store refuses the whole batch. To add a kind of row: a struct here, joined to
// Operation; what two of them on the same row become (batch.cpp); an apply() in each store; conformance tests.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "kernel/ids.hpp"

namespace epic::kernel {

struct ShardEpoch {
  ShardId shard;
  Epoch epoch;
  bool operator==(const ShardEpoch&) const = default;
};

/// Writes an entity's state: one row.
struct PutSnapshot {
  std::string type;
  std::string key;
  ShardId shard;
  Version version;
  std::optional<Version> replaces;  // the version stored now; 0: no row; empty: whatever is there, even damaged
  SchemaId schema;
  std::vector<std::byte> bytes;
};

/// Removes an entity's state: one row, or none if it replaces none. Later versions of the entity exceed `version`.
struct EraseSnapshot {
  std::string type;
  std::string key;
  ShardId shard;
  Version version;
  std::optional<Version> replaces;  // as above
};

/// Identifies a message for ever: the tenure of its sender's shard, and a number that the sender's node counts.
struct MailId {
  ShardId shard;
  Epoch epoch;
  std::uint64_t number = 0;
  auto operator<=>(const MailId&) const = default;
};

enum class MailStatus : std::uint8_t {
  waiting,  // its method has not begun
  begun,    // the first turn of its method is saved, and the method goes on
  dead,     // it will not run, or not to its end: a dead letter
};

/// A message from an entity to another: a call that is stored until it has taken effect.
struct Mail {
  MailId id;
  ShardId to_shard;
  std::string from;  // "Type/Key", the type by its stored name
  std::string to;    // likewise
  std::string method;
  SchemaId schema;  // of the arguments
  std::vector<std::byte> arguments;
  std::int64_t sent_at_ns = 0;  // wall clock
  MailStatus status = MailStatus::waiting;
  std::string why = {};  // it is dead
};

/// Adds a message: one row, where none was.
struct PutMail {
  Mail mail;
};

/// The first turn of its method is saved in this batch, or it is a dead letter from here on: one row.
struct MarkMail {
  MailId id;
  ShardId to_shard;
  MailStatus status;
  std::string why = {};
};

/// A message has taken effect, or is dropped: removes one row.
struct EndMail {
  MailId id;
  ShardId to_shard;
};

/// Names the answer to a call of an outside caller, which has given the call an idempotency key.
struct AnswerId {
  ShardId shard;        // of the entity
  std::string entity;   // "Type/Key", the type by its stored name
  std::string subject;  // on whose behalf the call was made; empty: nobody in particular
  std::string key;
  auto operator<=>(const AnswerId&) const = default;
};

enum class AnswerStatus : std::uint8_t {
  begun,     // the first turn of the method is saved; how it ended is not known
  returned,  // with a result, or void
  threw,
};

/// How a call has ended, as every repeat of it gets it.
struct AnswerEnd {
  AnswerStatus status = AnswerStatus::begun;
  SchemaId schema = {};               // of the result; 0: void
  std::uint8_t error_code = 0;        // it threw: the ErrorCode …
  std::string error_type = {};        // … and the C++ name of the exception's class
  std::vector<std::byte> bytes = {};  // the result, or the exception's text
  bool operator==(const AnswerEnd&) const = default;
};

/// The call that a key was used for first, and its answer.
struct Answer {
  AnswerId id;
  std::string method;
  SchemaId arguments_schema;
  std::uint64_t arguments_hash = 0;  // of the encoded arguments
  std::int64_t begun_at_ns = 0;      // wall clock
  AnswerEnd end = {};
  bool operator==(const Answer&) const = default;
};

/// The first turn of the call is saved in this batch: one row, where none was.
struct PutAnswer {
  Answer answer;
};

/// The call's last turn is saved in this batch: one row, which is `begun`.
struct EndAnswer {
  AnswerId id;
  AnswerEnd end;
};

/// Removes the oldest answers of a shard, at most `rows_max` of them. The one change that any number of rows fits.
struct SweepAnswers {
  ShardId shard;
  std::int64_t begun_before_ns = 0;
  std::uint32_t rows_max = 0;
};

/// Names a reminder: whose it is, and a name that is unique among that entity's.
struct ReminderName {
  std::string type;  // stored name
  std::string key;
  std::string name;
  auto operator<=>(const ReminderName&) const = default;
};

/// A call that an entity makes to itself at a time, once or again and again.
struct Reminder {
  ReminderName name;
  ShardId shard;
  std::int64_t due_ns = 0;    // wall clock, like the next
  std::int64_t first_ns = 0;  // the due time that it was set with
  std::int64_t every_ns = 0;  // 0: once
  std::string method;
  SchemaId schema;  // of the arguments
  std::vector<std::byte> arguments;
  bool operator==(const Reminder&) const = default;
};

/// Reminders of a shard are read in this order.
struct ReminderPlace {
  std::int64_t due_ns = INT64_MIN;
  ReminderName name = {};
  auto operator<=>(const ReminderPlace&) const = default;
};
[[nodiscard]] inline ReminderPlace place_of(const Reminder& reminder) { return {reminder.due_ns, reminder.name}; }

enum class ReminderStart : std::uint8_t {
  at_time,
  from_now,  // an equal one that recurs keeps its first time
};

/// Sets a reminder, in the place of one with that name: one row, or none if an equal one is there. That goes on as it
/// is, whenever it is due next.
struct SetReminder {
  Reminder reminder;
  ReminderStart start = ReminderStart::at_time;
};
/// Whether it finds an equal one.
[[nodiscard]] bool is_equal(const SetReminder& set, const Reminder& present);

/// Removes a reminder: one row or none. With an empty name: all reminders of the entity.
struct ForgetReminder {
  ReminderName name;
  ShardId shard;
};

/// The reminder has been due, and its call is in this batch: one row, which is due at `due_ns`.
struct AdvanceReminder {
  ReminderName name;
  ShardId shard;
  std::int64_t due_ns = 0;
  std::optional<std::int64_t> next_ns;  // empty: it has ended
};

using Operation = std::variant<PutSnapshot, EraseSnapshot, PutMail, MarkMail, EndMail, PutAnswer, EndAnswer,
                               SweepAnswers, SetReminder, ForgetReminder, AdvanceReminder>;

/// The changes of an entity's state.
template <class Change>
concept OfSnapshot = std::same_as<Change, PutSnapshot> || std::same_as<Change, EraseSnapshot>;
/// The changes of reminders; the other operations are of mail and of answers.
template <class Change>
concept OfReminder =
    std::same_as<Change, SetReminder> || std::same_as<Change, ForgetReminder> || std::same_as<Change, AdvanceReminder>;
[[nodiscard]] bool is_of_reminder(const Operation& operation);

/// The shard whose owner alone may make this change.
[[nodiscard]] ShardId shard_of(const Operation& operation);
/// The bytes that an operation carries; for limits.
[[nodiscard]] std::size_t bytes_of(const Operation& operation);

struct SchemaText {
  SchemaId id;
  std::string text;  // canonical, see reflect/schema.hpp
};

/// One transaction: all or nothing.
struct Batch {
  CommitNumber number;
  Incarnation writer;               // each shard must still be granted to it, and be at …
  std::vector<ShardEpoch> epochs;   // … this epoch: one for each shard that is touched
  std::vector<SchemaText> schemas;  // those that this node uses for the first time; known ones are left unchanged
  std::vector<Operation> operations;
};

/// Joins changes of the same row: a later state of an entity replaces the earlier one, a message that is ended, too,
/// need not be written at all, and an answer that is ended, too, is written once. Changes of a message or an answer
/// that cannot follow each other, such as two ends, all stay, for the store to refuse; those of reminders stay, too.
void join(std::vector<Operation>& operations);

/// Merges two batches into one transaction: `next` was made later. What they change is joined. False, without a change,
/// if they were made under different epochs of a shard.
[[nodiscard]] bool try_append(Batch& batch, Batch& next);

/// The saved state of an entity, with the schema that it was written with.
struct SavedState {
  SchemaId schema;
  std::string schema_text;
  std::vector<std::byte> bytes;
  std::int64_t saved_at_ns = 0;  // wall clock
};

struct LoadedState {
  Version version;                          // the stored one; of an entity without a state, the one to go on from
  std::optional<SavedState> saved = {};     // empty: nothing is saved
  std::vector<std::string> reminders = {};  // the names of those that the entity has
};

/// An error is a sentence, and concerns this entity only.
using LoadResult = std::expected<LoadedState, std::string>;

/// A message as it is stored.
struct LoadedMail {
  std::uint64_t place = 0;  // grows in the order in which messages become visible
  std::string schema_text = {};
  Mail mail = {};
};

/// Messages to one shard that are not dead, in order.
struct MailPage {
  std::vector<LoadedMail> rows = {};
  std::vector<std::string> damaged = {};  // a sentence for each row that cannot be read
  std::uint64_t last_place = 0;           // of the last row, damaged ones included; of an empty page, as asked
  bool is_last = true;                    // there were no more when it was read
};

/// An answer as it is stored, if there is one.
struct FoundAnswer {
  std::optional<Answer> answer = {};
  std::string schema_text = {};  // of its result
};

/// An error is a sentence, and concerns this answer only.
using AnswerLoad = std::expected<FoundAnswer, std::string>;
/// Reminders of one shard, from a place on, in order.
struct ReminderPage {
  std::vector<Reminder> rows = {};
  std::vector<SchemaText> schemas = {};   // of their arguments, each once
  std::vector<std::string> damaged = {};  // a sentence for each row that cannot be read
  ReminderPlace next = {};                // where the page after this one begins
  bool is_last = true;                    // there were no more when it was read
};

}  // namespace epic::kernel
