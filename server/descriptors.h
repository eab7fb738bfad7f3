/* server/descriptors.h - how many descriptors the server needs for itself, of those that -c allows.
 *
 * What the start and --check-config have to agree on. It is a lower bound: a name in -l may have
 * more than one address, so the start looks again when everything is open.
 *
 * Threads: any.
 */
#ifndef LARDER_SERVER_DESCRIPTORS_H
#define LARDER_SERVER_DESCRIPTORS_H

struct options;

/* Listeners that the options ask for: one for each element of -l, with TCP and with UDP. */
unsigned descriptors_of_listeners(const struct options *options);

/* With so many listeners and so many others that no option asks for, and for one client. */
unsigned descriptors_needed(const struct options *options, unsigned listeners,
                            unsigned others);

#endif
