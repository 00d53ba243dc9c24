/* The smallest program that uses all of larder_link.h, to see how large that is on a small board. Written for the
 * tests. */
#define LL_IMPLEMENTATION
#include "larder_link.h"

#include <avr/io.h>

static ll_ctx ctx __attribute__((section(".noinit")));
static const ll_channel channels[4] LL_FLASH = {
    LL_CHANNEL(LL_TEMPERATURE, -3, LL_KEEP_HIGHEST, -55000, 125000, 100, 62, "Cel", "cold-1"),
    LL_CHANNEL(LL_HUMIDITY, -3, LL_KEEP_FARTHEST, 0, 100000, 100, 62, "%RH", "cold-1"),
    LL_CHANNEL(LL_WEIGHT, -3, LL_KEEP_LATEST, -2000, 30000, 10, 1, "kg", "shelf-1"),
    LL_CHANNEL(LL_DOOR, 0, LL_EVENT | LL_KEEP_LATEST, 0, 1, 600, 0, "/", "door-1"),
};
static const ll_config config = {channels, 0, 0x0100, 1, {1, 2, 3, 4, 5, 6, 7, 8}, LL_BY_PIN, 4};

void ll_tx(void *user, const uint8_t *bytes, uint16_t n)
{
    (void)user;
    while (n--) UDR0 = *bytes++;
}

uint8_t ll_cmd(void *user, uint8_t op, const uint8_t *args)
{
    (void)user, (void)op;
    return args[0];
}

int main(void)
{
    ll_init(&ctx, &config);
    for (;;) {
        ll_put(&ctx, (uint8_t)TCNT1, 0, (int32_t)TCNT1, TCNT1);
        ll_rx(&ctx, UDR0, TCNT1);
        (void)ll_poll(&ctx, TCNT1);
    }
}
