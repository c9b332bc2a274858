#pragma once

#include "weir/http/h2.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::http {

// A header block while it is decoded, and what becomes of it. It keeps the fields as the lines that
// HTTP/1 would have them in, one after the other. Every field counts by its decoded size and 32
// (RFC 9113, 6.5.2), those too that are thrown away; what is above the limits is not kept.
// Thread: its owner's.
class H2Block {
  public:
    H2Block(const H2Limits& limits, H2Scratch& scratch) : limits_(limits), scratch_(scratch) {}

    void begin();
    // Names are in lower case, names and values checked by the library. False if the block is so
    // far above the limits that not even decoding it is worth while.
    [[nodiscard]] bool add(std::string_view name, std::string_view value);
    // It is too large, whatever it decodes to: nothing more is kept.
    void refuse() { is_too_large_ = true; }
    // That was kept so far; empty if there is none.
    [[nodiscard]] std::string_view content_type() const;
    // No reason: `head` is valid until the next begin().
    [[nodiscard]] Error to_request(RequestHead& head, bool is_whole);
    [[nodiscard]] Error to_response(ResponseHead& head, Method asked, bool is_whole);
    // Those that may be trailers; false if there is one too many.
    [[nodiscard]] bool to_trailers(std::string& lines);

    // What is kept lies in the scratch space, and outside of it where another connection may come
    // between two stretches of the block.
    void leave_scratch();
    void return_to_scratch();

  private:
    using Entry = H2Scratch::Entry;
    enum Pseudo : std::uint8_t { method, scheme, authority, path, protocol, status };
    static constexpr std::size_t kPseudos = 6;

    [[nodiscard]] std::string_view name(const Entry& entry) const {
        return std::string_view(scratch_.block).substr(entry.name, entry.name_size);
    }
    [[nodiscard]] std::string_view value(const Entry& entry) const {
        return std::string_view(scratch_.block).substr(entry.value, entry.value_size);
    }
    [[nodiscard]] std::string_view pseudo(Pseudo which) const { return value(pseudos_[which]); }
    [[nodiscard]] bool has(Pseudo which) const { return (has_pseudo_ >> which & 1U) != 0; }
    void keep_pseudo(std::string_view name, std::string_view value);
    void keep(std::string_view name, std::string_view value);
    void end_cookies();
    [[nodiscard]] const char* take_fields(HeaderList& headers);
    [[nodiscard]] const char* note(HeaderId id, std::string_view value);
    [[nodiscard]] const char* take_authority(RequestHead& head) const;
    [[nodiscard]] Error to_upgrade(RequestHead& head) const;

    const H2Limits& limits_;
    H2Scratch& scratch_;
    std::string kept_block_;
    std::string kept_cookies_;
    std::vector<Entry> kept_entries_;
    Entry pseudos_[kPseudos]{};
    unsigned has_pseudo_ = 0;
    std::size_t decoded_ = 0;
    std::size_t fields_ = 0;
    bool is_too_large_ = false;
    bool has_left_ = false;  // the scratch space
    // Of what take_fields() found.
    std::string_view host_;
    bool has_host_ = false;
    bool has_length_ = false;
    bool expects_continue_ = false;
    bool takes_trailers_ = false;
    bool is_websocket_ = false;  // a CONNECT for it
    std::uint64_t content_length_ = 0;
};

struct H2Field {
    std::string_view name;
    std::string_view value;
};

// The fields of HTTP/1 lines as HTTP/2 has them: names in lower case (in `lines`, or in `names`),
// without those that are about the connection. Host is left out, and told.
std::string_view to_fields(std::string_view lines,
                           std::string& names,
                           std::vector<H2Field>& fields);

}  // namespace weir::http
