#include "cli/commands/backup_talk.hpp"

#include <fmt/format.h>

#include "cli/output/humanize.hpp"

namespace epic::cli {

using storage::BackupStep;

std::string content_text(std::uint64_t entities, std::uint64_t messages) {
  return fmt::format("{} and {}", count_of(entities, "entity", "entities"), count_of(messages, "message", "messages"));
}

boost::json::object describe_content(const storage::StoreContent& content) {
  return {{"entities", content.entities},
          {"bytes", content.bytes},
          {"messages", {{"waiting", content.mail.waiting}, {"begun", content.mail.begun}, {"dead", content.mail.dead}}},
          {"damaged", content.damaged},
          {"shards", content.identity.shard_count},
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
  if (!progress_) progress_.emplace(console_, total, step == BackupStep::copying ? "pages" : "entities and messages");
  progress_->reach(done, total);
}

}  // namespace epic::cli
