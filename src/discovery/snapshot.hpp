#pragma once

#include "weir/config/config.hpp"
#include "weir/core/clock.hpp"
#include "weir/discovery/provider.hpp"

#include <optional>
#include <string>
#include <vector>

namespace weir::discovery {

// The last good set of a cluster on disk, for the next process. Written whole and renamed; read
// with its length and its hash, and refused if anything is odd: a set that is wrong sends requests
// to strangers, none makes a start wait for its source. Thread: its owner's.
class SnapshotFile {
  public:
    struct Content {
        WallTime at;  // when the source last confirmed it
        std::vector<Found> endpoints;
    };

    // In that folder, by the cluster's name; of that source only.
    SnapshotFile(const std::string& folder,
                 const std::string& cluster,
                 const config::Discovery& discovery);

    [[nodiscard]] const std::string& path() const { return path_; }

    // False: it could not be written.
    [[nodiscard]] bool write(const Content& content) const;

    // `why` says what is wrong with it; empty where there is none.
    [[nodiscard]] std::optional<Content> read(std::string& why) const;

    // To and from bytes, for tests.
    [[nodiscard]] std::string encode(const Content& content) const;
    [[nodiscard]] std::optional<Content> decode(std::string_view bytes, std::string& why) const;

  private:
    std::string path_;
    std::string source_;  // what was looked up
};

}  // namespace weir::discovery
