#pragma once
// Stores of older formats, recorded as SQL below tests/unit/storage/recorded.

#include <sqlite3.h>
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace epic::storage::test {

inline void run_sql(const std::filesystem::path& file, const std::string& sql) {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open(file.c_str(), &database) == SQLITE_OK);
  char* error = nullptr;
  sqlite3_exec(database, sql.c_str(), nullptr, nullptr, &error);
  const std::string message = error == nullptr ? "" : error;
  sqlite3_free(error);
  sqlite3_close(database);
  REQUIRE(message == "");
}

inline std::string text_in(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

/// Makes `file`, as it was recorded under `name`.
inline void restore_store(const std::string& name, const std::filesystem::path& file) {
  const std::string sql = text_in(std::filesystem::path(EPIC_SOURCE_DIR) / "tests/unit/storage/recorded" / name);
  REQUIRE_FALSE(sql.empty());
  run_sql(file, sql);
}

}  // namespace epic::storage::test
