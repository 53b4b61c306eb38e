/*
 * text.c: what of a client's bytes may be shown. A byte that a terminal obeys (an escape,
 * a carriage return) must not come back in a reply or end up in the log.
 */
#include "server.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Returns how many of the bytes at s are one character of UTF-8, and which; 0 if they are
 * none (RFC 3629): cut short, longer than need be, a surrogate, or past the last one. */
static size_t character(const char *s, size_t left, uint32_t *c)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char lead = (unsigned char)s[0];
    size_t n = lead < 0x80         ? 1
               : lead >> 5 == 0x06 ? 2
               : lead >> 4 == 0x0e ? 3
               : lead >> 3 == 0x1e ? 4
                                   : 0;
    if (n == 0 || n > left)
        return 0;
    *c = n == 1 ? lead : lead & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        *c = *c << 6 | (s[i] & 0x3f);
    }
    bool surrogate = 0xd800 <= *c && *c <= 0xdfff;
    return *c < least[n] || surrogate || *c > 0x10ffff ? 0 : n;
}

static bool is_control(uint32_t c)
{
    return c < 0x20 || (0x7f <= c && c < 0xa0);
}

/* Whether a line is text, and so may be shown. False: the reply says what is wrong. */
bool is_text(const char *line, size_t length, struct reply *reply)
{
    bool control = false;
    uint32_t c;
    for (size_t i = 0, n; i < length; i += n) {
        n = character(line + i, length - i, &c);
        if (n == 0) {
            refuse(reply, IN("the line is not valid UTF-8",
                             "la línea no es UTF-8 válido"));
            return false;
        }
        control |= is_control(c) && c != '\t';
    }
    if (control)
        refuse(reply,
               IN("the line holds a control byte: send text, one request a line",
                  "la línea contiene un byte de control: envía texto, "
                  "una petición por línea"));
    return !control;
}

/* Shows a piece of a request within a reply or a log line: in double quotes, with what
 * is not text escaped, and cut after 40 characters, of at most 4 bytes each. */
static struct text quote_bytes(const char *bytes, size_t length)
{
    struct text text = {"\""};
    char *end = text.s + 1;
    size_t i = 0;
    for (int shown = 0; shown < 40 && i < length; shown++) {
        uint32_t c;
        size_t n = character(bytes + i, length - i, &c);
        if (n == 0 || is_control(c)) {
            end += sprintf(end, "\\x%02x", (unsigned char)bytes[i]);
            i++;
            continue;
        }
        if (c == '"' || c == '\\')
            *end++ = '\\';
        memcpy(end, bytes + i, n);
        end += n;
        i += n;
    }
    strcpy(end, i < length ? "\"…" : "\"");
    return text;
}

struct text quote(const char *string)
{
    return quote_bytes(string, strlen(string));
}

/* Shows bytes as they are if they are plain and short, and otherwise quoted. */
struct text printable(const char *bytes, size_t length)
{
    struct text text = quote_bytes(bytes, length);
    if (strlen(text.s) == length + 2 && memcmp(text.s + 1, bytes, length) == 0) {
        memcpy(text.s, bytes, length);
        text.s[length] = '\0';
    }
    return text;
}
