/* t/linear/judge.h - histories from a file: the proof that the checker tells right from wrong. */
#ifndef LARDER_T_LINEAR_JUDGE_H
#define LARDER_T_LINEAR_JUDGE_H

/* Judges each history of the file, and says whether it is what its title says. 0, or 1 if
 * one is not, or 2 if the file cannot be read. */
int judge_file(const char *path);

#endif
