#include "cli/commands/backup_talk.hpp"

#include <fmt/format.h>

#include "cli/output/humanize.hpp"

namespace epic::cli {

using storage::BackupStep;

std::string content_text(std::uint64_t entities, std::uint64_t messages, std::uint64_t reminders) {
  const std::string entities_text = count_of(entities, "entity", "entities");
  const std::string messages_text = count_of(messages, "message", "messages");
  if (reminders == 0) return fmt::format("{} and {}", entities_text, messages_text);
  return fmt::format("{}, {} and {}", entities_text, messages_text, count_of(reminders, "reminder", "reminders"));
}

std::string content_text(const storage::StoreContent& content) {
  return content_text(content.entities, content.messages(), content.reminders);
}

std::string damage_text(const storage::StoreContent& content) {
  return count_of(content.damaged, "row is", "rows are") + " damaged";
}

boost::json::object describe_content(const storage::StoreContent& content) {
  return {{"entities", content.entities},
          {"bytes", content.bytes},
          {"messages", {{"waiting", content.mail.waiting}, {"begun", content.mail.begun}, {"dead", content.mail.dead}}},
          {"reminders", content.reminders},
          {"answers", content.answers},
          {"damaged", content.damaged},
          {"shards", content.identity.placement.shard_count()},
          {"format", content.identity.format_version}};
}

storage::BackupWatcher BackupTalk::watcher() {
  return {.on_progress = [this](BackupStep step, std::uint64_t done,
                                std::uint64_t total) { on_progress(step, done, total); },
          .on_damage = [this](const std::string& what) { console_.warn(what); }};
}

void BackupTalk::finish() {
  if (progress_) progress_->finish();
  progress_.reset();
}

void BackupTalk::on_progress(BackupStep step, std::uint64_t done, std::uint64_t total) {
  if (step == BackupStep::replacing) return finish();  // it takes no time
  if (step != step_) finish();
  step_ = step;
  if (!progress_) progress_.emplace(console_, total, step == BackupStep::copying ? "pages" : "rows");
  progress_->reach(done, total);
}

}  // namespace epic::cli
