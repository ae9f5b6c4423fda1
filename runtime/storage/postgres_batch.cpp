#include "storage/postgres_batch.hpp"

#include <array>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <variant>

#include "kernel/assert.hpp"
#include "storage/postgres_statements.hpp"
#include "storage/row_checksum.hpp"

namespace epic::storage {

namespace {

/// The rows of one statement, by columns.
class PgTable {
 public:
  using Type = PgColumn::Type;
  PgTable(const PgStatement& statement, std::initializer_list<Type> types) : statement_(&statement) {
    for (const Type type : types) columns_.emplace_back(type);
  }
  template <class... Values>
  void add(const Values&... values) {
    EPIC_ASSERT(sizeof...(values) == columns_.size(), "{} values for {} columns", sizeof...(values), columns_.size());
    std::size_t column = 0;
    (columns_[column++].add(values), ...);
  }
  [[nodiscard]] bool is_empty() const { return columns_.front().size() == 0; }
  [[nodiscard]] PgCall call() const {
    PgCall call{statement_};
    for (const PgColumn& column : columns_) call.params.add(column);
    return call;
  }

 private:
  const PgStatement* statement_;
  std::vector<PgColumn> columns_;
};

std::uint32_t short_number(auto number) { return static_cast<std::uint32_t>(number); }

/// Operations of which no two are about the same row.
class Wave {
 public:
  explicit Wave(const PgBatchContext& context) : context_(context) {}

  /// False, and nothing is added: it has to come after what is there.
  bool try_add(const Operation& operation) {
    return std::visit([this](const auto& change) { return try_touch(change) && (add(change), true); }, operation);
  }

  void end(std::vector<PgCall>& calls) const {
    for (const PgTable* const table :
         {&insert_, &update_, &overwrite_, &erase_, &erase_any_, &absent_, &floors_, &put_mail_, &mark_mail_})
      if (!table->is_empty()) calls.push_back(table->call());
    if (!end_mail_.is_empty()) {
      calls.push_back(end_mail_.call());
      calls.back().params.add(std::int64_t{context_.shard_count});
    }
    for (const PgTable* const table : {&put_answers_, &end_answers_})
      if (!table->is_empty()) calls.push_back(table->call());
    for (const SweepAnswers& sweep : sweeps_)
      calls.push_back({&pg::kSweepAnswers,
                       PgParams().add(sweep.shard.value).add(sweep.begun_before_ns).add(std::int64_t{sweep.rows_max})});
    for (const PgTable* const table : {&set_, &set_from_now_}) {
      if (table->is_empty()) continue;
      calls.push_back(table->call());
      calls.back().params.add(std::int64_t{table == &set_from_now_ ? 1 : 0});
    }
    for (const PgTable* const table : {&forget_, &forget_all_, &end_reminders_, &advance_})
      if (!table->is_empty()) calls.push_back(table->call());
  }

 private:
  static constexpr auto k4 = PgColumn::Type::int4;
  static constexpr auto k8 = PgColumn::Type::int8;
  static constexpr auto kB = PgColumn::Type::bytea;

  // ---- which rows

  /// Names of rows cannot be confused: each part has its length before it.
  static std::string row_name(char kind, std::initializer_list<std::string_view> parts) {
    std::string name(1, kind);
    for (const std::string_view part : parts) {
      name += std::to_string(part.size());
      name += ':';
      name += part;
    }
    return name;
  }
  bool try_touch_row(std::string name) { return rows_.insert(std::move(name)).second; }

  bool try_touch(const kernel::OfSnapshot auto& change) {
    return try_touch_row(row_name('s', {change.type, change.key}));
  }
  bool try_touch(const kernel::MailId& id) {
    return try_touch_row('m' + std::to_string(id.shard.value) + '.' + std::to_string(id.epoch.value) + '.' +
                         std::to_string(id.number));
  }
  bool try_touch(const PutMail& put) { return try_touch(put.mail.id); }
  bool try_touch(const MarkMail& mark) { return try_touch(mark.id); }
  bool try_touch(const EndMail& end) { return try_touch(end.id); }
  bool try_touch(const AnswerId& id) {
    return !rows_.contains(sweep_name(id.shard)) && try_touch_row(row_name('a', {id.entity, id.subject, id.key}));
  }
  bool try_touch(const PutAnswer& put) { return try_touch(put.answer.id); }
  bool try_touch(const EndAnswer& end) { return try_touch(end.id); }
  /// Within a wave it comes after the other changes of answers.
  bool try_touch(const SweepAnswers& sweep) { return try_touch_row(sweep_name(sweep.shard)); }
  static std::string sweep_name(kernel::ShardId shard) { return 'w' + std::to_string(shard.value); }
  bool try_touch(const SetReminder& set) { return try_touch(set.reminder.name); }
  bool try_touch(const ForgetReminder& forget) {
    if (!forget.name.name.empty()) return try_touch(forget.name);
    const auto& [type, key, name] = forget.name;
    return !rows_.contains(row_name('e', {type, key})) && try_touch_row(row_name('f', {type, key}));
  }
  bool try_touch(const AdvanceReminder& advance) { return try_touch(advance.name); }
  bool try_touch(const ReminderName& reminder) {
    const auto& [type, key, name] = reminder;
    if (rows_.contains(row_name('f', {type, key})) || !try_touch_row(row_name('r', {type, key, name}))) return false;
    rows_.insert(row_name('e', {type, key}));  // has reminders that were changed
    return true;
  }

  // ---- what becomes of them

  void add(const PutSnapshot& put) {
    const auto checksum =
        to_signed(row_checksum(put.type, put.key, put.shard, put.version, put.schema, context_.saved_at_ns, put.bytes));
    const auto add_to = [&](PgTable& table, const auto&... replaces) {
      table.add(put.type, put.key, put.shard.value, to_signed(put.version.value), to_signed(put.schema.value),
                context_.saved_at_ns, checksum, put.bytes, replaces...);
    };
    if (!put.replaces)
      add_to(overwrite_);
    else if (*put.replaces == kernel::Version{0})
      add_to(insert_);
    else
      add_to(update_, to_signed(put.replaces->value));
  }
  void add(const EraseSnapshot& erase) {
    if (!erase.replaces)
      erase_any_.add(erase.type, erase.key);
    else if (*erase.replaces == kernel::Version{0})
      absent_.add(erase.type, erase.key);
    else
      erase_.add(erase.type, erase.key, to_signed(erase.replaces->value));
    floors_.add(erase.shard.value, to_signed(erase.version.value));
  }
  void add(const PutMail& put) {
    const Mail& mail = put.mail;
    const std::string_view to = mail.to;
    const std::size_t slash = to.find('/');
    put_mail_.add(mail.id.shard.value, to_signed(mail.id.epoch.value), to_signed(mail.id.number), mail.to_shard.value,
                  short_number(mail.status), to_signed(mail.schema.value), mail.sent_at_ns,
                  to_signed(mail_checksum(mail)), to_signed(mail_status_checksum(mail.id, mail.status, mail.why)),
                  mail.from, to.substr(0, slash), to.substr(slash + 1), mail.method, mail.why, mail.arguments);
  }
  void add(const MarkMail& mark) {
    mark_mail_.add(mark.id.shard.value, to_signed(mark.id.epoch.value), to_signed(mark.id.number), mark.to_shard.value,
                   short_number(mark.status), mark.why,
                   to_signed(mail_status_checksum(mark.id, mark.status, mark.why)));
  }
  void add(const EndMail& end) {
    end_mail_.add(end.id.shard.value, to_signed(end.id.epoch.value), to_signed(end.id.number), end.to_shard.value);
  }
  static void add_answer(PgTable& table, const AnswerId& id, const AnswerEnd& end, const auto&... more) {
    table.add(id.shard.value, id.entity, id.subject, id.key, short_number(end.status), to_signed(end.schema.value),
              std::uint32_t{end.error_code}, end.error_type, to_signed(answer_end_checksum(id, end)), end.bytes,
              more...);
  }
  void add(const PutAnswer& put) {
    const Answer& answer = put.answer;
    add_answer(put_answers_, answer.id, answer.end, answer.method, to_signed(answer.arguments_schema.value),
               to_signed(answer.arguments_hash), answer.begun_at_ns, to_signed(answer_checksum(answer)));
  }
  void add(const EndAnswer& end) { add_answer(end_answers_, end.id, end.end); }
  void add(const SweepAnswers& sweep) { sweeps_.push_back(sweep); }
  void add(const SetReminder& set) {
    const Reminder& reminder = set.reminder;
    const ReminderName& name = reminder.name;
    (set.start == kernel::ReminderStart::from_now ? set_from_now_ : set_)
        .add(name.type, name.key, name.name, reminder.shard.value, reminder.due_ns, reminder.first_ns,
             reminder.every_ns, to_signed(reminder.schema.value), to_signed(reminder_checksum(reminder)),
             to_signed(reminder_due_checksum(name, reminder.due_ns)), reminder.method, reminder.arguments);
  }
  void add(const ForgetReminder& forget) {
    if (forget.name.name.empty())
      forget_all_.add(forget.name.type, forget.name.key);
    else
      forget_.add(forget.name.type, forget.name.key, forget.name.name);
  }
  void add(const AdvanceReminder& advance) {
    const auto& [type, key, name] = advance.name;
    if (advance.next_ns)
      advance_.add(type, key, name, advance.shard.value, advance.due_ns, *advance.next_ns,
                   to_signed(reminder_due_checksum(advance.name, *advance.next_ns)));
    else
      end_reminders_.add(type, key, name, advance.shard.value, advance.due_ns);
  }

  const PgBatchContext& context_;
  std::unordered_set<std::string> rows_;  // that are touched
  PgTable insert_{pg::kInsertSnapshots, {kB, kB, k4, k8, k8, k8, k8, kB}};
  PgTable update_{pg::kUpdateSnapshots, {kB, kB, k4, k8, k8, k8, k8, kB, k8}};
  PgTable overwrite_{pg::kOverwriteSnapshots, {kB, kB, k4, k8, k8, k8, k8, kB}};
  PgTable erase_{pg::kEraseSnapshots, {kB, kB, k8}};
  PgTable erase_any_{pg::kEraseAnySnapshots, {kB, kB}};
  PgTable absent_{pg::kNoSnapshots, {kB, kB}};
  PgTable floors_{pg::kRaiseFloors, {k4, k8}};
  PgTable put_mail_{pg::kPutMail, {k4, k8, k8, k4, k4, k8, k8, k8, k8, kB, kB, kB, kB, kB, kB}};
  PgTable mark_mail_{pg::kMarkMail, {k4, k8, k8, k4, k4, kB, k8}};
  PgTable end_mail_{pg::kEndMail, {k4, k8, k8, k4}};
  PgTable put_answers_{pg::kPutAnswers, {k4, kB, kB, kB, k4, k8, k4, kB, k8, kB, kB, k8, k8, k8, k8}};
  PgTable end_answers_{pg::kEndAnswers, {k4, kB, kB, kB, k4, k8, k4, kB, k8, kB}};
  std::vector<SweepAnswers> sweeps_;
  PgTable set_{pg::kSetReminders, {kB, kB, kB, k4, k8, k8, k8, k8, k8, k8, kB, kB}};
  PgTable set_from_now_{pg::kSetReminders, {kB, kB, kB, k4, k8, k8, k8, k8, k8, k8, kB, kB}};
  PgTable forget_{pg::kForgetReminders, {kB, kB, kB}};
  PgTable forget_all_{pg::kForgetAllReminders, {kB, kB}};
  PgTable end_reminders_{pg::kEndReminders, {kB, kB, kB, k4, k8}};
  PgTable advance_{pg::kAdvanceReminders, {kB, kB, kB, k4, k8, k8, k8}};
};

}  // namespace

PgCall fence_of(const Batch& batch) {
  PgTable held(pg::kFence, {PgColumn::Type::int4, PgColumn::Type::int8});
  for (const ShardEpoch& one : batch.epochs) held.add(one.shard.value, to_signed(one.epoch.value));
  PgCall call = held.call();
  call.params.add(to_signed(batch.writer.value));
  return call;
}

std::vector<PgCall> calls_of(const Batch& batch, const PgBatchContext& context) {
  std::vector<PgCall> calls;
  PgTable schemas(pg::kPutSchemas, {PgColumn::Type::int8, PgColumn::Type::bytea});
  for (const SchemaText& schema : batch.schemas) schemas.add(to_signed(schema.id.value), schema.text);
  if (!schemas.is_empty()) calls.push_back(schemas.call());

  auto wave = std::make_unique<Wave>(context);
  for (const Operation& operation : batch.operations) {
    if (wave->try_add(operation)) continue;
    wave->end(calls);
    wave = std::make_unique<Wave>(context);
    const bool fits = wave->try_add(operation);
    EPIC_ASSERT(fits, "commit {} has an operation that fits nowhere", batch.number);
  }
  wave->end(calls);
  return calls;
}

std::vector<PgCall> calls_of(const Operation& operation, const PgBatchContext& context) {
  std::vector<PgCall> calls;
  Wave wave(context);
  const bool fits = wave.try_add(operation);
  EPIC_ASSERT(fits, "an operation does not fit into an empty batch");
  wave.end(calls);
  return calls;
}

}  // namespace epic::storage
