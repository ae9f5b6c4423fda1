#include "bench/bare_sqlite.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace epic::bench {

namespace {

namespace fs = std::filesystem;

void check(int result, sqlite3* database) {
  if (result == SQLITE_OK || result == SQLITE_DONE || result == SQLITE_ROW) return;
  throw std::runtime_error(std::string("bare SQLite: ") + sqlite3_errmsg(database));
}

void run(sqlite3* database, const char* sql) {
  check(sqlite3_exec(database, sql, nullptr, nullptr, nullptr), database);
}

sqlite3* open_database(const fs::path& file) {
  sqlite3* database = nullptr;
  check(sqlite3_open(file.c_str(), &database), database);
  sqlite3_busy_timeout(database, 10'000);
  run(database, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
  return database;
}

sqlite3_stmt* prepare(sqlite3* database, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  check(sqlite3_prepare_v2(database, sql, -1, &statement, nullptr), database);
  return statement;
}

void make_table(const fs::path& file) {
  sqlite3* database = open_database(file);
  run(database, "CREATE TABLE rows(key TEXT PRIMARY KEY, bytes BLOB NOT NULL)");
  sqlite3_close(database);
}

constexpr const char* kPut =
    "INSERT INTO rows(key, bytes) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET bytes = excluded.bytes";

void put(sqlite3* database, sqlite3_stmt* statement, std::size_t row, const std::string& bytes) {
  const std::string key = "user-" + std::to_string(row);
  sqlite3_bind_text(statement, 1, key.data(), static_cast<int>(key.size()), SQLITE_STATIC);
  sqlite3_bind_blob(statement, 2, bytes.data(), static_cast<int>(bytes.size()), SQLITE_STATIC);
  check(sqlite3_step(statement), database);
  sqlite3_reset(statement);
}

/// Lives until its process ends.
class BareWriter {
 public:
  BareWriter(const fs::path& file, const WriterLoad& load, int process)
      : load_(load),
        process_(process),
        lock_(::open((file.string() + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)),
        database_(open_database(file)),
        put_(prepare(database_, kPut)) {
    if (lock_ < 0) throw std::runtime_error("bare SQLite: cannot open the lock file");
  }

  void commit(int batch) {
    const std::string bytes = content_of(load_, batch);
    if (::flock(lock_, LOCK_EX) != 0) throw std::runtime_error("bare SQLite: flock");
    run(database_, "BEGIN IMMEDIATE");
    for (const std::size_t row : rows_of(load_, process_, batch)) put(database_, put_, row, bytes);
    run(database_, "COMMIT");
    ::flock(lock_, LOCK_UN);
    sqlite3_file* log = nullptr;
    check(sqlite3_file_control(database_, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log), database_);
    check(log->pMethods->xSync(log, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY), database_);
  }

 private:
  WriterLoad load_;
  int process_;
  int lock_;
  sqlite3* database_;
  sqlite3_stmt* put_;
};

}  // namespace

MakeWriter make_bare_sqlite_writers(const fs::path& file, const WriterLoad& load) {
  make_table(file);
  return [file, load](int process) -> CommitBatch {
    // Shared by the copies of the function that is returned.
    const auto writer = std::make_shared<BareWriter>(file, load, process);
    return [writer](int batch) { writer->commit(batch); };
  };
}

struct BareSqliteReader::Connection {
  sqlite3* database;
  sqlite3_stmt* get;
  std::vector<unsigned char> bytes;
};

BareSqliteReader::BareSqliteReader(const fs::path& file, const WriterLoad& load) {
  make_table(file);
  sqlite3* database = open_database(file);
  sqlite3_stmt* statement = prepare(database, kPut);
  run(database, "BEGIN");
  const std::string bytes(load.row_bytes, 'x');
  for (std::size_t row = 0; row < load.entities; ++row) put(database, statement, row, bytes);
  run(database, "COMMIT");
  sqlite3_finalize(statement);
  connection_ = new Connection{database, prepare(database, "SELECT bytes FROM rows WHERE key = ?1"), {}};
}

BareSqliteReader::~BareSqliteReader() {
  sqlite3_finalize(connection_->get);
  sqlite3_close(connection_->database);
  delete connection_;
}

std::size_t BareSqliteReader::read(std::size_t row) {
  const std::string key = "user-" + std::to_string(row);
  sqlite3_bind_text(connection_->get, 1, key.data(), static_cast<int>(key.size()), SQLITE_STATIC);
  if (sqlite3_step(connection_->get) != SQLITE_ROW) throw std::runtime_error("bare SQLite: no row " + key);
  const auto* data = static_cast<const unsigned char*>(sqlite3_column_blob(connection_->get, 0));
  connection_->bytes.assign(data, data + sqlite3_column_bytes(connection_->get, 0));
  sqlite3_reset(connection_->get);
  return connection_->bytes.size();
}

}  // namespace epic::bench
